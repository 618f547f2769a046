"""What a run leaves on Prefect's page: what came of it, its funnel, the drift it proved, what the gate saw; progress.

Code, names and reasons come from libraries and from what models wrote: on the page they are text, whatever they say.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal
from uuid import UUID

from flows.observers import became
from flows.render import gate_lines, text_of
from flows.run import EXIT_BY_DECISION
from flows.setting_aside import read_asides
from flows.summary import Summary, promotion_line, read_summary
from flows.training import untrained
from flows.watching import Observer, Watch
from registry.server.settings import ServerSettings

PROGRESS_S = 5.0
"""Seconds between two requests that tell of progress."""

_SAID = 1_000
"""Characters of a reason or a title at most."""

_CODE = 4_000
"""Characters of a side of a diff at most."""

_MARKS = re.compile(r"([\\`*_\[\]<>|~#&!$]|:(?=//)|@(?=[\w-]+\.)|(?<=www)\.)", re.IGNORECASE)
"""What Markdown obeys. A bare address too, which Prefect's page makes a link of: of a library's text it must not."""

_FUNNEL = ("kind", "version", "generated", "ran", "proven", "strong", "kept", "in_snapshot")


@dataclass(frozen=True)
class Artifact:
    """Something on Prefect's page.

    Attributes:
        key: What it is found by: that of the next run is a further version of it.
        type: How it is shown.
        data: What is shown: Markdown, or rows as JSON.
        description: A line above it.
    """

    key: str
    type: Literal["markdown", "table"]
    data: str
    description: str


class Artifacts(Observer):
    """Tells Prefect's page of a run.

    Args:
        watch: The run.
        flow_run: The flow run that it is.
    """

    def __init__(self, watch: Watch, flow_run: UUID) -> None:
        self._watch = watch
        self._flow_run = flow_run
        self._progress: UUID | None = None
        self._told: tuple[Any, ...] = ()
        self._since = 0.0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Stands around the run: at its end the page has all artifacts."""
        house = self._watch.house
        try:
            yield
        except BaseException as error:
            told = {"key": key(house.domain.name, "run"), "type": "markdown", "description": became(error)}
            self._create(**told, data=f"# {plain(house.domain.name)}: {became(error)}\n\n{plain(str(error))}\n")
            raise
        for each in house.adapters:
            summary = read_summary(
                each.lake, each.domain.name, each.library.versions, house.settings.registry_url,
                changed=each.mother is None, untrained=untrained(each),
            )  # fmt: skip
            for one in artifacts(summary, self._watch):
                self._create(one.key, one.type, one.data, one.description)

    @contextlib.contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Stands around a stage, which has a progress of its own once it has anything to do."""
        del stage
        yield
        self._tell(100.0)
        with self._lock:
            self._progress = None

    @contextlib.contextmanager
    def batch(self, title: str, size: int) -> Iterator[None]:
        """Stands around a batch: the stage has something to do."""
        del title, size
        self.beat()
        yield

    def beat(self) -> None:
        """Says how far the stage has got."""
        watch = self._watch
        if watch.stage and watch.worked:
            self._tell(100.0 * min(watch.done, watch.total) / watch.total if watch.total else 0.0)

    def _tell(self, percent: float) -> None:
        watch, now = self._watch, time.monotonic()
        told = (watch.stage, round(percent, 1), watch.title, watch.note)
        with self._lock:
            if told == self._told or (percent < 100 and self._progress is not None and now - self._since < PROGRESS_S):
                return
            count = f" {watch.done:,}/{watch.total:,}" if watch.total > 1 else ""
            said = f"{plain(watch.stage)}: {plain(watch.title)}{count} {plain(watch.note)}".strip()
            if self._progress is not None:
                self._update(self._progress, told[1], said)
            elif percent < 100:
                self._progress = self._create(key(watch.house.domain.name, watch.stage), "progress", told[1], said)
            self._told, self._since = told, now

    def _create(self, key: str, type: str, data: Any, description: str) -> UUID:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.actions import ArtifactCreate

        told = ArtifactCreate(key=key, type=type, data=data, description=description, flow_run_id=self._flow_run)
        with get_client(sync_client=True) as client:
            return client.create_artifact(told).id

    def _update(self, artifact: UUID, data: Any, description: str) -> None:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.actions import ArtifactUpdate

        with get_client(sync_client=True) as client:
            client.update_artifact(artifact, ArtifactUpdate(data=data, description=description))


def current_flow_run() -> UUID | None:
    """The flow run that this thread is in; None outside of one."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return context.flow_run.id if context is not None and context.flow_run is not None else None


def artifacts(summary: Summary, watch: Watch) -> Iterator[Artifact]:
    """What is shown of a run.

    Args:
        summary: What it left, of the domain or of one of its workloads.
        watch: The run.
    """
    name = summary.domain
    decided = watch.outcome in EXIT_BY_DECISION  # else it was a part of a run: the gate saw nothing new
    yield Artifact(key(name, "run"), "markdown", _run(summary, watch, decided=decided), f"What came of a run of {name}")
    if summary.funnel:
        rows = [{column: _cell(row[column]) for column in _FUNNEL} for row in summary.funnel]
        yield Artifact(key(name, "funnel"), "table", json.dumps(rows), f"What was made and kept of {name}")
    if summary.drifts:
        said = f"Proven drift of {name}, {' -> '.join(summary.versions)}"
        yield Artifact(key(name, "drift"), "markdown", "\n".join(map(_drift(summary), summary.drifts)), said)
    if summary.report and decided:
        yield Artifact(key(name, "gate"), "markdown", _gate(summary), f"What the gate saw of {name}")


def key(domain: str, what: str) -> str:
    """The key of an artifact: Prefect takes small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{domain}-{what}".lower()).strip("-")


def plain(text: str) -> str:
    """Text in one line that Markdown takes for nothing but text."""
    short = " ".join(text.split())
    return _MARKS.sub(r"\\\1", short[:_SAID] + ("…" if len(short) > _SAID else ""))


def block(text: str, language: str = "") -> str:
    """Text as a block of code, which nothing in it can end."""
    cut = text[:_CODE].strip("\n") + ("\n…" if len(text) > _CODE else "")
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", cut)), default=0))
    return f"{fence}{language}\n{cut}\n{fence}\n"


def _cell(value: Any) -> Any:
    """A cell of a table: Prefect's page takes text in it for Markdown, tags and all."""
    return value if value is None or isinstance(value, int | float) else plain(str(value))


def _run(summary: Summary, watch: Watch, *, decided: bool) -> str:
    """What came of a run, and where to go from here."""
    name, house = summary.domain, watch.house
    said = watch.outcome if decided else "done, as far as its part goes"
    lines = [f"# {plain(name)} {' → '.join(map(plain, summary.versions))}: {plain(said)}", ""]
    reason = summary.untrained or (str(summary.report[0]["reason"]) if summary.report and decided else "")
    lines += [plain(reason), ""] if reason else []
    if summary.promotion is not None and decided:
        lines += [plain(promotion_line(summary.promotion)), ""]
    lines += ["| stage | batches | seconds |", "|---|---:|---:|"]
    lines += [f"| {plain(n)} | {s['batches']:,} | {s['seconds']:,.1f} |" for n, s in watch.stages.items()]
    links = [f"- The run: `{house.run}`, by driftune {version('driftune')}"]
    if watch.continues:
        links.append(f"- It went on with run `{watch.continues}`, which was killed")
    links += [f"- The adapter: {code(summary.adapter)}"] if summary.adapter else []
    aside = read_asides(house.settings.root, house.domain.name)
    links += [
        f"- Set aside, to be tried again by the next run: {plain(one.title)} ({plain(one.error)})" for one in aside
    ]
    if url := ServerSettings().url.rstrip("/"):
        links.append(f"- [{plain(name)} in the registry]({url}/domains/{name})")
    log = house.settings.root / "logs" / house.domain.name / f"{house.run}.jsonl"
    links.append(f"- Its log: {code(str(log))} on {plain(socket.gethostname())}")
    return "\n".join([*lines, "", *links, ""])


def code(text: str) -> str:
    """Text in a line as code."""
    return f"`{' '.join(text.replace('`', ' ').split())}`"


def _drift(summary: Summary) -> Any:
    old, new = summary.versions

    def told(drift: Mapping[str, Any]) -> str:
        said = (drift["detail"] or "").strip().splitlines()
        why = f": {plain(said[0])}" if said else ""
        return (
            f"## {plain(drift['title'])}\n\nThe old code {plain(drift['old_effect'])} at {plain(new)}{why}\n\n"
            f"Runs at {plain(old)}:\n\n{block(drift['code_old'], 'python')}\n"
            f"Runs at {plain(new)}:\n\n{block(drift['code_new'], 'python')}"
        )

    return told


def _gate(summary: Summary) -> str:
    """The gate's decision and its table, in which what was gained stands first: a phone shows no more."""
    first = summary.report[0]
    heads, *lines = ([*line[:2], *line[-2:], *line[2:-2]] for line in gate_lines(summary.report))
    rows = ["| " + " | ".join(plain(text_of(cell)) for cell in line) + " |" for line in lines]
    table = ["| " + " | ".join(map(plain, heads)) + " |", "|" + "---|" * 2 + "---:|" * (len(heads) - 2), *rows]
    return f"# {plain(first['decision'])}\n\n{plain(first['reason'])}\n\n" + "\n".join(table) + "\n"
