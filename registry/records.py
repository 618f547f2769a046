"""The records that stages exchange and the lake holds: frozen, typed, JSON- and Arrow-serialisable.

A record's `id` hashes its identity fields; its `digest` hashes all columns that are not volatile (times, durations,
costs). Nested values are plain JSON and stand in a column of JSON text. Field order: identity first.

Schemas are append-only: a new field has a default, and `SCHEMA` goes up.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeVar, cast

from registry.identity import sha256_of

SCHEMA = 5
"""The version of the persisted schemas, written into every Parquet file."""

Object = Mapping[str, Any]
"""A nested JSON object. Treat as frozen."""

Rows = Sequence[Mapping[str, Any]]
"""A nested JSON array of objects. Treat as frozen."""

F = TypeVar("F", bound=Callable[..., Any])


def column(doc: str, *, identity: bool = False, volatile: bool = False, later: bool = False, **options: Any) -> Any:
    """A dataclass field with its documentation; `options` go to `dataclasses.field`.

    One that came `later` is in the digest only where it says something (none of its values is "nothing" but its
    default): rows that were written before it keep the digest that all hangs on.
    """
    return field(metadata={"doc": doc, "identity": identity, "volatile": volatile, "later": later}, **options)


def key(doc: str) -> Any:
    """A column that is part of the record's identity."""
    return column(doc, identity=True)


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of all records. A subclass names its `table` and gives every field through `key` or `column`."""

    table: ClassVar[str]

    @property
    def id(self) -> str:
        """SHA-256 (64 hex characters) over the canonical JSON of table and identity fields; computed once."""
        return self._hash("_id", identity_columns(type(self)))

    @property
    def digest(self) -> str:
        """SHA-256 over all columns that are not volatile: changes when the content does; computed once."""
        silent = {name for name in later_columns(type(self)) if not getattr(self, name)}
        return self._hash("_digest", tuple(n for n in stable_columns(type(self)) if n not in silent))

    def hashed(self, identifier: str, digest: str) -> Self:
        """This record, with the hashes that were written beside it: computing them again takes longer than reading."""
        self.__dict__.update(_id=identifier, _digest=digest)
        return self

    def _hash(self, name: str, names: tuple[str, ...]) -> str:
        known: str | None = self.__dict__.get(name)
        if known is None:
            known = sha256_of([self.table, {n: _plain(getattr(self, n)) for n in names}])
            self.__dict__[name] = known
        return known


def _plain(value: Any) -> Any:
    """`value` as JSON that hashes the same everywhere: times as ISO text, floats as their shortest repr."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def per_record(function: F) -> F:
    """`functools.cache` for functions of a record class (mypy holds `type[Record]` for unhashable)."""
    return cast(F, functools.cache(function))


@per_record
def identity_columns(record: type[Record]) -> tuple[str, ...]:
    """The names of the fields that make up the id."""
    return tuple(f.name for f in dataclasses.fields(record) if f.metadata["identity"])


@per_record
def stable_columns(record: type[Record]) -> tuple[str, ...]:
    """The names of the fields that make up the digest."""
    return tuple(f.name for f in dataclasses.fields(record) if not f.metadata["volatile"])


@per_record
def later_columns(record: type[Record]) -> tuple[str, ...]:
    """The names of the fields that are in the digest only where they say something."""
    return tuple(f.name for f in dataclasses.fields(record) if f.metadata["later"])


# ------------------------------------------------------------------------------------------------ what is scraped


@dataclass(frozen=True, kw_only=True)
class Release(Record):
    """A version of a library exists."""

    table: ClassVar[str] = "releases"
    library: str = key("Name of the distribution, normalised (PEP 503)")
    version: str = key("Version, normalised (PEP 440)")
    artifact_sha256: str = key("SHA-256 of the wheel (else sdist, else site) the release was read from")
    artifacts: Rows = column("Files read: [{name, sha256, kind}]", default=())
    released_at: dt.datetime | None = column("When it was uploaded, where the index says", default=None, volatile=True)
    requires_python: str | None = column("Requires-Python", default=None)
    licence: str | None = column("SPDX expression, null where unknown", default=None)
    licence_evidence: Rows = column("Where the licence was found: [{source, text}]", default=())
    changelog_url: str | None = column("Where it says that its changelog is (Project-URL); not fetched", default=None)


@dataclass(frozen=True, kw_only=True)
class Body(Record):
    """What was received of a documentation site, once for all addresses that gave the same: never fetched again."""

    table: ClassVar[str] = "bodies"
    sha256: str = key("SHA-256 of the bytes, decompressed")
    coding: str = key("text: decoded; base64: as it came, of a file that may be no text, as an inventory")
    text: str = column("The text")


@dataclass(frozen=True, kw_only=True)
class Fetch(Record):
    """What an address of a documentation site gave when it was asked last, or why it gave nothing."""

    table: ClassVar[str] = "fetches"
    site: str = key("Address that the site's pages lie below")
    url: str = key("Address that was asked for; of a file in a folder, where it is published")
    path: str = column("Where it led, within the site", default="")
    outcome: str = column(
        "ok missing refused forbidden too-large too-slow too-many-redirects failed, not-html, broken (an index),"
        " outside (it led off the site, or to what is forgotten), too-many (what the limits left out)"
    )
    detail: str = column("What went wrong, or was left out, in a sentence", default="", volatile=True)
    status: int | None = column("HTTP status, null where there was no response", default=None)
    fault: str | None = column("Why what came is no page: soft-404 login empty not-html …; null: it is", default=None)
    sha256: str = column("Of the body that came last, also where it was some time ago: see bodies", default="")
    content_type: str = column("As the server says", default="")
    links: tuple[str, ...] = column("Pages of the site that it links to, where links are followed", default=())
    etag: str | None = column("Validator the server gave", default=None, volatile=True)
    last_modified: str | None = column("Likewise", default=None, volatile=True)
    received: int = column("Bytes that came, headers included", default=0, volatile=True)


@dataclass(frozen=True, kw_only=True)
class Page(Record):
    """A page of a release's documentation, or a module of its source or test suite, cleaned."""

    table: ClassVar[str] = "pages"
    release: str = key("Id of the release")
    url: str = key("Where it is: a URL, or pypi://NAME/VERSION/ARTIFACT/PATH for a file of a package")
    content_hash: str = key("SHA-256 of the cleaned text")
    kind: str = column("guide, api, source, test, changelog")
    path: str = column("Path within the package or site, / separated")
    title: str = column("Title", default="")
    markdown: str = column("The cleaned text: Markdown or reST for guides, Python for source and test", default="")
    etag: str | None = column("Validator the server gave", default=None, volatile=True)
    fetched_at: dt.datetime | None = column("When it was fetched", default=None, volatile=True)
    licence: str | None = column("SPDX expression, null where unknown", default=None)
    injections: Rows = column(
        "Passages that address a model or a tool: [{rule, text}]; cut from the text, but not from source and tests",
        default=(),
        later=True,
    )


@dataclass(frozen=True, kw_only=True)
class Symbol(Record):
    """A public API object of a release."""

    table: ClassVar[str] = "symbols"
    release: str = key("Id of the release")
    path: str = key("Canonical dotted path: where it is defined")
    kind: str = column("module, class, function, method, attribute")
    aliases: tuple[str, ...] = column("Other public paths, shortest first", default=())
    signature: str | None = column("Signature as source text, `(a, *, b=1)`; null where not callable", default=None)
    parameters: Rows = column("[{name, kind, default}] in order; kind and default as griffe gives them", default=())
    doc: str = column("Docstring, dedented", default="")
    deprecated: str | None = column("What a deprecation note says, null where none", default=None)
    line: int = column("First line of the definition in its page, 1-based; 0 where unknown", default=0)
    page: str | None = column("Id of the page it stands on", default=None)


@dataclass(frozen=True, kw_only=True)
class Change(Record):
    """What two releases differ in."""

    table: ClassVar[str] = "changes"
    old: str = key("Id of the old release")
    new: str = key("Id of the new release")
    symbol: str = key("Canonical path, at old (for `added`: at new)")
    kind: str = key("added, removed, renamed, moved, signature, deprecated, behaviour")
    replacement: str | None = column("What to use instead: a dotted path, or an expression", default=None)
    evidence: Rows = column("[{source, text}]: which finder, note or run says so", default=())
    detail: Object = column("Kind-specific, such as parameters added, removed, renamed", default_factory=dict)


# ------------------------------------------------------------------------------------------- what is made and run


@dataclass(frozen=True, kw_only=True)
class Program(Record):
    """Something that can be run: `test` runs after `code`, in its namespace."""

    table: ClassVar[str] = "programs"
    code: str = key("Python source: the candidate")
    test: str = key("Python source: assertions about what `code` defined")
    files: Object = column("Files beside it: {relative path: text}", identity=True, default_factory=dict)
    entry_point: str | None = column("Function that the test calls, if named", identity=True, default=None)


@dataclass(frozen=True, kw_only=True)
class Example(Record):
    """A task with its answer and its proof obligations."""

    table: ClassVar[str] = "examples"
    domain: str = key("Domain")
    kind: str = key("doc, test, task, drift, bug, edit, fim, chat, repair, locate, preference, text, syntax")
    releases: tuple[str, ...] = key("Ids of its releases; two (old, new) for drift, preference and migrations")
    parts: Object = key("Typed by kind (validators/proofs.py lists them): texts, and ids of programs by role")
    language: str = column("Programming language", default="python")
    change: str | None = column("Id of the change it shows", default=None)
    family: str | None = column("Name of the change's family: what splits are made by", default=None)
    symbols: tuple[str, ...] = column("Canonical paths it claims to show or calls, the main one first", default=())
    file: str = column("File it comes from, version-free; a held-out site shares none with its family's training")
    root: str = column("Id of the row (or site) everything like it derives from; a row's own key where none")
    generator: str = column("What made it")
    generator_version: str = column("Its version")
    seed: int = column("Its seed", default=0)
    parents: tuple[str, ...] = column("Ids of the pages, symbols, examples it was made from", default=())
    licence: str | None = column("SPDX expression over all parents (AND)", default=None)
    source_url: str = column("Where its text comes from", default="")
    bug_kind: str | None = column("bug, syntax, preference: what kind of mistake", default=None)
    operator: str | None = column("Mutation operator or codemod", default=None)
    old_effect: str | None = column("drift: what old code does at new: fails, warns, differs", default=None)
    bugs: int | None = column("bug, syntax: how many mistakes there are in it", default=None)
    edit_distance: int | None = column("bug, syntax: tokens that differ between buggy and fixed code", default=None)
    checks_failing: int | None = column(
        "bug: values seen by its test that are wrong; null where it raises", default=None
    )
    line_named: bool | None = column("bug, syntax: whether the error names a line of the mistake", default=None)
    written: Object = column(
        "By an LLM: {model, trainable (whether its terms allow training on it), calls: [keys of requests]}; empty: by"
        " none",
        default_factory=dict,
        later=True,
    )


@dataclass(frozen=True, kw_only=True)
class Call(Record):
    """What an LLM was asked, and what came of it: once for every time that it was sent."""

    table: ClassVar[str] = "calls"
    request: str = key("SHA-256 of the model and all that it was told")
    attempt: int = key("Which time it was sent, from 0: a failed or lost one is sent again")
    domain: str = column("Domain that is charged")
    purpose: str = column("Who asked, with the version of the words: `task/solution@1`")
    model: str = column("The model's name at the endpoint")
    run: str = column("Run that is charged", default="", volatile=True)
    outcome: str = column(
        "ok error timeout rate-limited refused truncated malformed empty; lost: its process was killed meanwhile"
    )
    detail: str = column("What went wrong, in a sentence", default="", volatile=True)
    text: str = column("The answer", default="", volatile=True)
    prompt_tokens: int = column("Tokens that were sent, as charged", default=0, volatile=True)
    completion_tokens: int = column("Tokens that came back, as charged", default=0, volatile=True)
    money: float = column("What it cost", default=0.0, volatile=True)
    seconds: float = column("How long it took", default=0.0, volatile=True)


@dataclass(frozen=True, kw_only=True)
class Environment(Record):
    """Where a program ran: an interpreter, resolved requirements, settings."""

    table: ClassVar[str] = "environments"
    python: str = key("Python version, major.minor.patch")
    requirements: tuple[str, ...] = key("Resolved: `name==version --hash=sha256:…`, sorted")
    settings: Object = key("Sandbox-relevant settings: wall, memory, limits")
    label: str = column("For people: `networkx==2.8.8 (Python 3.11.7)`", default="")


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """What happened when a program ran."""

    table: ClassVar[str] = "verdicts"
    program: str = key("Id of the program")
    environment: str = key("Id of the environment")
    harness: str = key("Version of the harness")
    policy: str = key("Attempt policy, such as `k=2`")
    outcome: str = column("passed failed error timeout memory killed flaky unavailable")
    proof: str = column("strong (compared outside the candidate's process), weak (token within it), none")
    detail: str = column("One line: the assertion or exception that decided", default="")
    exception: Object = column(
        "{type, message, line, in, frame}: in = code or test; frame = {function, line} of a library; empty where none",
        default_factory=dict,
    )
    warnings: Rows = column("[{category, message, line}], deduplicated, in order", default=())
    values: Object = column(
        "Checked values: {index: {expected, actual}}; final ones of watched variables: {name: {actual or unsent}}",
        default_factory=dict,
    )
    symbols_called: tuple[str, ...] = column("Canonical paths of the library that were called, sorted", default=())
    attempts: int = column("How often it was run", default=1, volatile=True)
    duration_s: float = column("Wall seconds of the first attempt", default=0.0, volatile=True)
    output: str = column("What the first attempt printed: beginning and end, 2 KB each", default="", volatile=True)


@dataclass(frozen=True, kw_only=True)
class Removal(Record):
    """Why a row did not get in."""

    table: ClassVar[str] = "removals"
    example: str = key("Id of the example")
    rule: str = key("unproven, vacuous-test, duplicate, licence, held-out, …")
    curation: str = key("Work key of the curation; the view shows each domain's latest")
    domain: str = column("Domain")
    detail: str = column("What was wrong with it", default="")
    kept_instead: str | None = column("Id of the example kept in its place", default=None)


@dataclass(frozen=True, kw_only=True)
class Snapshot(Record):
    """A frozen dataset; its rows are `snapshot_rows`."""

    table: ClassVar[str] = "snapshots"
    domain: str = key("Domain")
    rows_sha256: str = key("Hash over the sorted (example id, split) pairs")
    filters: Object = key("Rules and parameters of the curation")
    counts: Object = column("{kind: {split: rows}}", default_factory=dict)
    licences: Object = column("{SPDX expression: rows}", default_factory=dict)
    parent: str | None = column("Id of the snapshot before it", default=None)


@dataclass(frozen=True, kw_only=True)
class SnapshotRow(Record):
    """One row of a snapshot and its split."""

    table: ClassVar[str] = "snapshot_rows"
    snapshot: str = key("Id of the snapshot")
    example: str = key("Id of the example")
    split: str = column("train, context, symbol, dev")


# ------------------------------------------------------------------------------------------- what a person decides


@dataclass(frozen=True, kw_only=True)
class Annotation(Record):
    """What a person says of a row and of those that say the same: it outranks the pipeline."""

    table: ClassVar[str] = "annotations"
    example: str = key("Id of the row that was looked at")
    domain: str = column("Domain")
    verdict: str = column("rejected, or undone where that was taken back")
    why: str = column("Why, in the person's words", default="")
    by: str = column("Name of the person's account", default="")
    at: dt.datetime | None = column("When", default=None)


@dataclass(frozen=True, kw_only=True)
class Forgotten(Record):
    """A source or licence of which nothing may be kept: its rows were taken out of the files, and stay out."""

    table: ClassVar[str] = "forgotten"
    what: str = key("Addresses (`*` is anything but a slash; what is below counts), or the SPDX id of a licence")
    rows: Object = column("{table: [ids]} of the rows that went; some were made anew since then", default_factory=dict)
    snapshots: tuple[str, ...] = column("Ids of the snapshots that hold some of them", default=())
    adapters: tuple[str, ...] = column("Ids of the adapters trained on these", default=())
    by: str = column("Name of the account that ordered it", default="")
    at: dt.datetime | None = column("When", default=None)


# --------------------------------------------------------------------------------------- what is trained and judged


@dataclass(frozen=True, kw_only=True)
class Run(Record):
    """A training run."""

    table: ClassVar[str] = "runs"
    snapshot: str = key("Id of the snapshot")
    base: str = key("Name of the base model")
    base_revision: str = key("Its revision: for a local base the hash of its files")
    recipe: Object = key("Every setting of the training, and whether it is a trial; no floats (written as text)")
    seed: int = key("Seed")
    domain: str = column("Domain")
    experiment: bool = column("Whether it is a trial of other settings, never published", default=False)
    adapter_sha256: str = column("Hash over the adapter's files", default="")
    device: str = column("cpu, cuda …", default="cpu", volatile=True)
    steps: int = column("Optimiser steps", default=0)
    curve: Rows = column("[{stage, step, loss}]; of `rl` with `reward` and `held_out`", default=(), volatile=True)
    seconds: float = column("Wall seconds of its steps, over all starts", default=0.0, volatile=True)
    cost: float = column("Money: its hours times `price` of `[train]`", default=0.0, volatile=True)


ARMS = ("base", "base+docs", "adapter", "adapter+docs")
"""What is evaluated, on the same prompts: base and adapter, each without and with the target version's docs."""


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """One arm's score on one held-out example: what intervals and the gate are computed from."""

    table: ClassVar[str] = "scores"
    run: str = key("Id of the run")
    arm: str = key("base, base+docs, adapter, adapter+docs; on tasks the version, v3")
    split: str = key("context, symbol, dev, general; tasks, where promotion hangs on some")
    metric: str = key("preference, choice@1, bits_new, bits_old, bits, …")
    item: str = key("Id of the example or site that was scored")
    family: str = column("Family it belongs to: the cluster")
    value: float = column("The score", volatile=True)


@dataclass(frozen=True, kw_only=True)
class Report(Record):
    """What the gate saw: a row per arm, split and metric."""

    table: ClassVar[str] = "reports"
    run: str = key("Id of the run")
    arm: str = key("base, adapter, adapter-base (the paired difference), …")
    split: str = key("context, symbol, dev, general")
    metric: str = key("Metric")
    domain: str = column("Domain")
    value: float | None = column("Mean over families' items; null where not measured", default=None, volatile=True)
    ci_low: float | None = column(
        "Lower end of the interval, made at the decision's alpha a side: 95% at the first", default=None, volatile=True
    )
    ci_high: float | None = column("Upper end of the interval", default=None, volatile=True)
    p: float | None = column("Of a gain: sign-flip test over families, one-sided", default=None, volatile=True)
    n: int = column("Items", default=0)
    clusters: int = column("Families", default=0)
    decision: str = column("publish, rejected, undecided: the run's, repeated on each row")
    reason: str = column("Why, in one line; the run's, repeated on each row")


@dataclass(frozen=True, kw_only=True)
class Adapter(Record):
    """A published version."""

    table: ClassVar[str] = "adapters"
    domain: str = key("Domain")
    version: int = key("1, 2, 3 …")
    files: Rows = key("[{path, sha256, size}]")
    library_range: str = column("Versions of the library it speaks, as `networkx>=3.6,<3.7`")
    base: str = column("Name of the base model")
    base_revision: str = column("Revision of the base")
    fingerprint: str = column("Hash of the base's weight, config, tokenizer and chat-template files")
    snapshot: str = column("Id of the snapshot")
    run: str = column("Id of the training run")
    report: Object = column("The gate's table", default_factory=dict)
    licences: tuple[str, ...] = column("SPDX expressions of rows and base", default=())
    location: str = column("Where its manifest lies in the registry", default="")
    signature: str | None = column("Null: who signed it stands beside its manifest, in `signatures/`", default=None)
    started_from: str | None = column("Id of the adapter that its training went on from; null: from none", default=None)
    written: Rows = column(
        "LLMs that wrote rows it was trained on: [{model, rows, trainable (by its terms, as the domain says)}]",
        default=(),
        later=True,
    )


@dataclass(frozen=True, kw_only=True)
class Work(Record):
    """A piece of work that is done: written after its outputs, also when there were none."""

    table: ClassVar[str] = "work"
    key: str = column("Hash of the inputs' digests, part, parameters, seed, sample", identity=True)
    stage: str = column(
        "scrape, synth, validate, curate, train, evaluate, publish; refresh: a whole run; track: where a domain"
        " stands that follows its library"
    )
    domain: str = column("Domain")
    part: str = column("What did it, with its version, as `curate@1`; several are joined by +")
    outputs: int = column("Rows written")
    result: Object = column(
        "Ids a later stage needs (a snapshot, a run); empty where outputs speak", default_factory=dict
    )
    seconds: float = column("Seconds it took", default=0.0, volatile=True)
    tokens: int = column("LLM tokens", default=0, volatile=True)
    money: float = column("Money spent", default=0.0, volatile=True)


RECORDS: tuple[type[Record], ...] = (
    Release, Body, Fetch, Page, Symbol, Change, Call, Program, Example, Environment, Verdict, Removal, Snapshot,
    SnapshotRow, Run, Score, Report, Adapter, Annotation, Forgotten, Work,
)  # fmt: skip
"""Every record, in the order of the pipeline."""
