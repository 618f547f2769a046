"""`driftune doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from registry.errors import ConfigurationError
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.domain import Domain, SourceSpec

PACKAGES = ("flows", "scrapers", "synth", "validators", "finetune", "registry")
"""The import names of driftune. Another distribution that owns one of them would be imported in its place."""

LLM_VARIABLES = ("DRIFTUNE_LLM__MODEL", "DRIFTUNE_LLM__BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY")
DISK_GB = 5.0
"""Free space a first run wants: environments, base, lake and checkpoints of the quick start, twice over."""

Level = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: What it is.
        level: `ok`; `missing`, where driftune works without it; `broken`, where it does not.
        found: What is there.
        advice: How to get it, or what to do; empty where nothing is to be done.
    """

    part: str
    level: Level
    found: str
    advice: str = ""


def findings(settings: Settings | None = None) -> list[Finding]:
    """Looks at everything, the parts that a run needs first."""
    settings = settings or Settings()
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _names, _walls, _pythons, _training, _gpu, _loading, _engine, _llm,
        lambda: _places(settings),
        lambda: findings_of_keys(settings),
        lambda: _disk(settings),
        lambda: _night(settings),
        lambda: domains_here(settings),
    )  # fmt: skip
    return [finding for check in checks for finding in check()]


def show_findings(*, as_json: bool) -> int:
    """Prints the findings; 1 where something is broken, else 0."""
    found = findings()
    if as_json:
        print(json.dumps([asdict(f) for f in found]))
    else:
        _render(found)
    return int(any(f.level == "broken" for f in found))


def _render(found: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    style = {"ok": "green", "missing": "yellow", "broken": "red"}
    table = Table("", "part", "found", "what to do", box=None, pad_edge=False)
    for f in found:
        table.add_row(Text(f.level, style[f.level]), Text(f.part), Text(f.found), Text(f.advice))
    Console().print(table)


def _python() -> Iterator[Finding]:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    advice = "" if fits else "Use Python 3.11, 3.12 or 3.13: make clean, then make setup PYTHON=python3.12"
    yield Finding("Python", "ok" if fits else "broken", f"{platform.python_version()} at {sys.executable}", advice)


def clashes(owners: Mapping[str, list[str]] | None = None) -> dict[str, list[str]]:
    """Import name of driftune -> other installed distributions that own it too.

    Args:
        owners: Import name -> distributions; what is installed here where None.
    """
    owners = packages_distributions() if owners is None else owners
    others = {name: sorted({d for d in owners.get(name, []) if d.lower() != "driftune"}) for name in PACKAGES}
    return {name: found for name, found in others.items() if found}


def _names() -> Iterator[Finding]:
    found = clashes()
    if not found:
        yield Finding("import names", "ok", ", ".join(PACKAGES))
    for name, owners in found.items():
        yield Finding(
            "import names", "broken", f"{name} belongs to {', '.join(owners)} too",
            f"Install driftune in an environment of its own, or: pip uninstall {' '.join(owners)}",
        )  # fmt: skip


def _walls() -> Iterator[Finding]:
    """Each kind of wall; one that stands is enough."""
    from validators.execution.wall import WALLS, choose

    reasons = {name: choose(name).available() for name in WALLS}
    standing = [name for name, reason in reasons.items() if reason is None]
    for name, reason in reasons.items():
        if reason is None:
            yield Finding(f"sandbox: {name}", "ok", _described(name))
            continue
        why, _, advice = reason.partition(". ")
        if standing:
            yield Finding(f"sandbox: {name}", "missing", why, f"Not needed: {standing[0]} is the wall")
        else:
            yield Finding(f"sandbox: {name}", "broken", why, advice or "Any of the walls is enough")


def _pythons() -> Iterator[Finding]:
    """The versions that programs can ask for."""
    from validators.execution.interpreters import every

    yield Finding("Python for programs", "ok", ", ".join(i.version for i in every()))


def _described(wall: str) -> str:
    if wall == "docker":
        from validators.execution.engine import connect

        return f"engine {connect().version()['Version']}"
    return f"{_version_of('bwrap')}, user namespaces work"


def _version_of(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    return (done.stdout.strip().splitlines() or [program])[0]


def _training() -> Iterator[Finding]:
    parts = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bm25s")
    missing = [name for name in parts if find_spec(name) is None]
    if missing:
        advice = "pip install -c constraints.txt -e '.[train]' (or: make setup); not needed to query a lake"
        yield Finding("training", "missing", f"no {', '.join(missing)}", advice)
    else:
        yield Finding("training", "ok", ", ".join(f"{name} {version(name)}" for name in parts[:4]))


def _gpu() -> Iterator[Finding]:
    program = shutil.which("nvidia-smi")
    names = ""
    if program:
        done = subprocess.run(
            [program, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        names = "; ".join(done.stdout.strip().splitlines()) if done.returncode == 0 else ""
    if names:
        yield Finding("GPU", "ok", names)
    else:
        yield Finding(
            "GPU", "missing", f"none; {os.cpu_count()} CPU cores", "Not needed: the tiny base trains on a CPU"
        )


def _loading() -> Iterator[Finding]:
    """What `auto` comes to for a base that is not the built-in one."""
    if find_spec("torch") is None:
        return
    from finetune.loading import Machine, decide

    machine = Machine.this()
    yield Finding("a base of the Hub", "ok", str(decide({}, 0, machine)))
    if machine.cuda and not machine.bitsandbytes:
        advice = "pip install 'driftune[quant]'; not needed where the weights fit into half of the GPU's memory"
        yield Finding("4-bit", "missing", "no bitsandbytes", advice)


def _engine() -> Iterator[Finding]:
    try:
        installed = version("prefect")
    except PackageNotFoundError:
        yield Finding("engine", "broken", "Prefect is not installed", "pip install -c constraints.txt -e .")
        return
    server = os.environ.get("PREFECT_API_URL") or "in the process"
    yield Finding("engine", "ok", f"Prefect {installed}, server: {server}")


def _llm() -> Iterator[Finding]:
    from registry.domain_files import readable

    named = [name for name in LLM_VARIABLES if os.environ.get(name)]
    if named:
        yield Finding("LLM", "ok", f"{', '.join(named)} set")
    elif not any(domain.llm.model for domain in readable(Path("domains")).values()):  # each has a line of its own
        yield Finding(
            "LLM", "missing", "no endpoint", "Not needed: examples are mined, migrated and mutated without one"
        )


def _places(settings: Settings) -> Iterator[Finding]:
    for part, place in (
        ("home", str(settings.root)),
        ("lake", settings.lake_url),
        ("registry", settings.registry_url),
    ):
        if "://" in place:
            yield Finding(part, "ok", place)
            continue
        problem = _unwritable(Path(place))
        variable = f"DRIFTUNE_{part.upper()}"
        advice = f"Make it writable, or set {variable} to another folder" if problem else ""
        yield Finding(part, "broken" if problem else "ok", f"{place}: {problem or 'writable'}", advice)


def findings_of_keys(settings: Settings) -> Iterator[Finding]:
    """Who signs what is published here, and whose word counts for the registry."""
    from registry.errors import RegistryError
    from registry.objects import objects_of
    from registry.trust import Trust

    try:
        trust = Trust(objects_of(settings.registry_url), settings)
        trusted, signer, marked = trust.trusted, trust.signer, trust.marked
    except (ConfigurationError, RegistryError) as error:
        yield Finding("keys", "broken", settings.registry_url, str(error))
        return
    count = sum(1 for key in trusted if not key.revoked)
    found = f"{count} trusted for the registry; {f'{signer.public.id} signs' if signer else 'nothing is signed here'}"
    if marked and not trust.keys:
        advice = "It is signed: get its public key from whom you trust, then: driftune registry key trust FILE"
        yield Finding("keys", "broken", found, advice)
    elif trusted or signer:
        yield Finding("keys", "ok", found)
    else:
        yield Finding("keys", "missing", found, "Not needed; to sign what is published: driftune registry key new")


def _unwritable(folder: Path) -> str:
    """Why nothing can be written below a folder that may not be there yet; empty where it can."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if not there.is_dir():
        return f"{there} is a file"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} is not writable"


def _disk(settings: Settings) -> Iterator[Finding]:
    there = next(p for p in (settings.root, *settings.root.parents) if p.exists())
    free = shutil.disk_usage(there).free / 1e9
    enough = free >= DISK_GB
    advice = "" if enough else f"Free some, or set DRIFTUNE_HOME to a disk with {DISK_GB:.0f} GB free"
    yield Finding("disk", "ok" if enough else "missing", f"{free:.1f} GB free at {there}", advice)
    if settings.disk_mb:
        from flows.quota import line, over

        full = over(settings) > 0
        advice = "A run removes environments and wheels first, then it stops: driftune gc, or a higher DRIFTUNE_DISK_MB"
        yield Finding("disk quota", "missing" if full else "ok", line(settings), advice if full else "")


def _night(settings: Settings) -> Iterator[Finding]:
    if settings.nightly_cost and (settings.root / "driftune.duckdb").is_file():
        from flows.nightly import tonight
        from registry.lake import Lake

        night = tonight(Lake(settings.lake_url, settings.root), settings.nightly_cost)
        advice = "What costs is left to the next night, from 12:00 UTC, or raise DRIFTUNE_NIGHTLY_COST"
        yield Finding("nightly cost", "missing" if night.over else "ok", night.line(), advice if night.over else "")


def domains_here(settings: Settings) -> Iterator[Finding]:
    """The domains here that track their library, need a login, or have an LLM."""
    from flows.tracking import standings
    from registry.domain_files import readable
    from registry.lake import Lake

    found = list(readable(Path("domains")).values())
    lake = any(d.library[0].track for d in found) and (settings.root / "driftune.duckdb").is_file()
    known = standings(Lake(settings.lake_url, settings.root)) if lake else {}
    for domain in found:
        if domain.library[0].track:
            told = known[domain.name].line() if domain.name in known else "nothing has run yet"
            yield Finding(f"tracked: {domain.name}", "ok", told)
        for source in domain.library[0].source:
            if source.credentials:
                yield _login(domain.name, source)
        if domain.llm.model:
            yield _endpoint(domain)


def _endpoint(domain: Domain) -> Finding:
    """Whether the LLM of a domain can be asked: it lists its models, which costs nothing."""
    from flows.endpoint import check_llm, missing_model, models_of

    part, model = f"LLM: {domain.name}", domain.llm.model
    try:
        check_llm(domain.llm)
        missing = missing_model(domain.llm, models_of(domain.llm))
    except ConfigurationError as error:
        return Finding(part, "broken", model, str(error))
    return Finding(part, "broken" if missing else "ok", model, missing and f"{missing}: mend [llm] model")


def _login(domain: str, source: SourceSpec) -> Finding:
    """Whether what a source's credentials name is there."""
    from registry.credentials import find_credentials

    part, url = f"login: {domain}", (source.index or source.location or "")
    try:
        find_credentials(source.credentials, url.replace("{version}", "0"))
    except ConfigurationError as error:
        return Finding(part, "broken", f"{source.credentials} for {url}", str(error))
    return Finding(part, "ok", f"{source.credentials} for {url}")
