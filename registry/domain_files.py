"""The domain file: one TOML that says what `registry.domain.Domain` has.

Later wins: the file, then the environment (`DRIFTUNE_SANDBOX__TIMEOUT_S=20`), then options of the command line.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from registry.credentials import without_login
from registry.domain import (
    CurationSpec,
    Domain,
    GateSpec,
    GuardSpec,
    LibrarySpec,
    LlmSpec,
    PrioritySpec,
    SandboxSpec,
    Section,
    SourceSpec,
    SplitSpec,
    SynthSpec,
    TrainSpec,
    WorkloadSpec,
)
from registry.errors import ConfigurationError


def domain_path(reference: str, folder: Path | None = None) -> Path:
    """The file of a domain: a name in `domains/`, or a path.

    Raises:
        ConfigurationError: There is none; the message names the nearest.
    """
    folder = folder or Path("domains")
    path = Path(reference) if reference.endswith(".toml") or "/" in reference else folder / f"{reference}.toml"
    if path.is_file():
        return path
    known = sorted(p.stem for p in folder.glob("*.toml"))
    near = difflib.get_close_matches(reference, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"found {', '.join(known) or 'none'}."
    raise ConfigurationError(
        f"No domain file {path}: {hint} Make one with: driftune init {Path(reference).stem}", reference=reference
    )


def load_domain(reference: str, environment: Mapping[str, str] | None = None) -> Domain:
    """Reads and checks a domain file.

    Args:
        reference: A name in `domains/`, or a path.
        environment: Variables that override it; the process's own where None.

    Raises:
        ConfigurationError: It is missing, no TOML, or says something unknown, or what only an experiment may; one line
            with file, key and what to do.
    """
    path = domain_path(reference)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no valid TOML: {error}", path=str(path)) from error
    data.setdefault("name", path.stem.lower())
    _override(data, os.environ if environment is None else environment)
    try:
        domain = Domain.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_explain(error)}", path=str(path)) from error
    try:
        others = workloads(domain)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}", path=str(path)) from error
    if any(
        each.train.shuffle for each in (domain, *others)
    ):  # refused here, not at the gate: what is trained on noise must not get as far as that
        raise ConfigurationError(
            f"{path}: train.shuffle is no setting of a domain, as what it trains must never be published: "
            f"driftune experiment {domain.name} --set shuffle=true",
            path=str(path),
        )
    return domain


def readable(folder: Path) -> dict[Path, Domain]:
    """The domains of a folder whose files can be read: what is wrong with others is no matter of who asks for these."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        with contextlib.suppress(ConfigurationError, OSError):
            found[path] = load_domain(str(path))
    return found


def with_table(domain: Domain, name: str, table: Mapping[str, Any]) -> Domain:
    """A domain with one of its tables replaced.

    Raises:
        ConfigurationError: The table says something unknown.
    """
    try:
        return Domain.model_validate({**domain.model_dump(), name: table})
    except ValidationError as error:
        raise ConfigurationError(f"{domain.name}: {_explain(error)}") from error


def workloads(domain: Domain) -> tuple[Domain, ...]:
    """The domain as each of its workloads has it, under the name of its adapter, by name.

    Raises:
        ConfigurationError: A workload says something unknown, or what can't be.
    """
    found = []
    for name, spec in sorted(domain.workload.items()):
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) or re.search(r"--v\d+$", name):
            raise ConfigurationError(
                f"""Workload {name or '""'} of {domain.name}: this can't be its name. Take lower-case letters, """
                "digits, dots and dashes, beginning with one of the first two, and no --v1 at the end"
            )
        own = domain.model_dump(exclude={"workload"})
        train, gate = _merged(own["train"], spec.train), {**own["gate"], **spec.gate}
        if train["base"] != own["train"]["base"]:
            train["base_settings"] = spec.train.get("base_settings", {})
        try:
            found.append(Domain.model_validate({**own, "name": f"{domain.name}-{name}", "train": train, "gate": gate}))
        except ValidationError as error:
            raise ConfigurationError(f"Workload {name} of {domain.name}: {_explain(error)}") from error
    return tuple(found)


def _merged(own: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A table with other settings, also in the tables within it."""
    nested = {
        name for name, value in other.items() if isinstance(value, Mapping) and isinstance(own.get(name), Mapping)
    }
    return {**own, **{name: {**own[name], **value} if name in nested else value for name, value in other.items()}}


def _override(data: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Applies `DRIFTUNE_SECTION__KEY=value` variables; values are TOML, or plain text where they are none."""
    for name, text in sorted(environment.items()):
        section, found, key = name.removeprefix("DRIFTUNE_").lower().partition("__")
        if not name.startswith("DRIFTUNE_") or not found:
            continue
        data.setdefault(section, {})[key] = toml_value(text)


def toml_value(text: str) -> Any:
    """A value as TOML writes it; plain text where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(error: ValidationError) -> str:
    """The first thing wrong, in one line."""
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *parents, key = first["loc"]
        known = _keys(parents)
        near = difflib.get_close_matches(str(key), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
        return f"Unknown key {where!r}: {hint}"
    message = first["msg"].removeprefix("Value error, ")
    table = first["type"] == "missing" or isinstance(first["input"], dict)
    unseen = table or "credentials" in first["loc"]  # where a person may have put a secret
    return f"{where or 'the file'}: {message}" + ("" if unseen else f" (found {without_login(repr(first['input']))})")


def _keys(parents: list[int | str]) -> list[str]:
    """The keys that the table at `parents` accepts."""
    sections: dict[str, type[Section]] = {
        "library": LibrarySpec,
        "source": SourceSpec,
        "synth": SynthSpec,
        "sandbox": SandboxSpec,
        "splits": SplitSpec,
        "curation": CurationSpec,
        "guard": GuardSpec,
        "priority": PrioritySpec,
        "llm": LlmSpec,
        "train": TrainSpec,
        "gate": GateSpec,
    }
    names = [p for p in parents if isinstance(p, str)]
    if names[:1] == ["workload"]:
        return sorted(WorkloadSpec.model_fields)
    return sorted((sections[names[-1]] if names else Domain).model_fields)
