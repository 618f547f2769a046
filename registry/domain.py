"""What a domain is: which libraries, versions, sources and limits it has. `registry.domain_files` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from registry.credentials import FORMS, has_login, is_reference

PERMISSIVE = (
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0",
    "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
)  # fmt: skip
"""Licences a domain allows unless it says otherwise."""


class Section(BaseModel):
    """Base of the file's tables: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSpec(Section):
    """Where a library's documentation comes from.

    Attributes:
        kind: Name of the source: `pypi`, a kind of site (`sphinx`, `mkdocs`, `llms_txt`, `site`), or one of an
            installed plug-in.
        url: The public address of a site that is read from a folder.
        location: URL or folder of a site; `{version}` is replaced.
        licence: SPDX expression of a site that does not say its own.
        index: Address of the package index that `pypi` reads; pip's own where there is none.
        credentials: Where the login of a private index or site is found: `env:TOKEN` (a bearer token),
            `env:USER:PASSWORD` (basic; these are names of environment variables), or `netrc`.
        hosts: Of a site: other hosts that its redirects may lead to.
        private: Of a site: addresses or networks that may be asked though they aren't public, as `10.1.0.0/16`.
        proxy: Of a site: `http://host:port` that all requests go through.
        pages: Of a site: pages that are read at most; 6,000 unless set.
        depth: Of a site whose links are followed: how many links a page may be away from the first one; 10 unless set.
        pause_s: Of a site: seconds between two requests, where its robots.txt asks for no more; 0.02 unless set.
        refresh_h: Of a site: hours for which a look at it is good; unless set, every run asks what has changed.
        version_check: Of a site: false takes its pages even where it says that they are another version's.
    """

    kind: str = "pypi"
    url: str | None = None
    location: str | None = None
    licence: str | None = None
    index: str | None = None
    credentials: str | None = None
    hosts: tuple[str, ...] | None = None
    private: tuple[str, ...] | None = None
    proxy: str | None = None
    pages: int | None = Field(default=None, ge=1, le=100_000)
    depth: int | None = Field(default=None, ge=0, le=100)
    pause_s: float | None = Field(default=None, ge=0, le=60)
    refresh_h: float | None = Field(default=None, ge=0)
    version_check: bool | None = None

    @field_validator("url", "location", "index", "proxy")
    @classmethod
    def _without_login(cls, url: str | None) -> str | None:
        if url and has_login(url):
            raise ValueError(f"an address here holds no user and password: credentials say where these are: {FORMS}")
        return url

    @field_validator("index")
    @classmethod
    def _is_address(cls, index: str | None) -> str | None:
        if index is not None and not index.startswith(("https://", "http://")):
            raise ValueError("an index is an address: https://…/simple/")
        return index

    @field_validator("credentials")
    @classmethod
    def _names_where(cls, credentials: str | None) -> str | None:
        if credentials is not None and not is_reference(credentials):
            raise ValueError(f"say where they are found, not what they are: {FORMS}")
        return credentials


UNKNOWN = ("", "")
"""The versions of a library that is tracked, in its file: which they are, a run finds out."""


class LibrarySpec(Section):
    """A library at two versions.

    Attributes:
        name: Name on the package index.
        versions: Old and new version; left out where `track` says which they are.
        track: Instead of versions: `latest` follows every release that the package index has, `lines` the newest of
            every line (3.5, 3.6), where a patch takes the place of the release before it.
        keep: With `track`: over how many of the releases that it came to the pair reaches; 2 is the last one and the
            newest.
        since: With `track`: the first old version; the newest of the line before the newest one's where there is none.
        prereleases: With `track`: whether pre-releases count. Those that were yanked, or that have no wheel for this
            Python, never do.
        packages: Import names; the library's name where empty.
        private: Modules that it keeps to itself though no underscore says so (`pandas.core`): no task names them; its
            own source and guides, which are read as they are, may.
        requirements: Pinned packages beside it, at both versions (what its tests need).
        pins: Version -> pinned packages beside it at that version alone, where none fits both.
        source: Documentation sources.
    """

    name: str
    versions: tuple[str, str] = UNKNOWN
    track: Literal["latest", "lines"] | None = None
    keep: int = Field(default=2, ge=2, le=20)
    since: str | None = None
    prereleases: bool = False
    packages: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    pins: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    source: tuple[SourceSpec, ...] = (SourceSpec(),)

    @property
    def imports(self) -> tuple[str, ...]:
        """The import names."""
        return self.packages or (self.name.replace("-", "_"),)

    def beside(self, version: str) -> tuple[str, ...]:
        """The pinned packages beside it at a version."""
        return (*self.requirements, *self.pins.get(version, ()))

    def at(self, versions: tuple[str, str]) -> LibrarySpec:
        """This library as if a person had set these versions: what a run over a tracked one works with."""
        pins = {v: self.pins[p] for v in versions for p in self.pins if Version(p) == Version(v)}
        own = {"versions": versions, "pins": pins}
        return self.model_copy(update={"track": None, "keep": 2, "since": None, "prereleases": False, **own})

    @field_validator("pins")
    @classmethod
    def _of_its_versions(cls, pins: Mapping[str, tuple[str, ...]], info: ValidationInfo) -> Mapping[str, Any]:
        versions = info.data.get("versions", UNKNOWN)
        for version in pins:
            if versions == UNKNOWN:
                _checked(version)
            elif version not in versions:
                raise ValueError(f"{version!r} is none of the versions {', '.join(versions)}")
        return pins

    @field_validator("since")
    @classmethod
    def _is_version(cls, since: str | None) -> str | None:
        return since if since is None else str(_checked(since))

    @field_validator("versions")
    @classmethod
    def _ordered(cls, versions: tuple[str, str]) -> tuple[str, str]:
        if versions == UNKNOWN:
            return versions
        old, new = map(_checked, versions)
        if old >= new:
            raise ValueError(f"the old version must come first, found {versions[0]} before {versions[1]}")
        return versions

    @model_validator(mode="after")
    def _given_or_tracked(self) -> Self:
        if (self.versions == UNKNOWN) == (self.track is None):
            raise ValueError('set either versions = ["OLD", "NEW"] or track = "latest"')
        if self.track is None and (self.since or self.prereleases or self.keep != 2):
            raise ValueError('keep, since and prereleases are for track = "latest": leave them out beside versions')
        return self


def _checked(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion as error:
        raise ValueError(f"{error}; write versions as on the package index") from None


class SynthSpec(Section):
    """How much is made.

    Attributes:
        seed: Seed of every random choice.
        mutants: Bugs of one mistake made from one proven example, at most; one example in eight gives more for a bug of
            several mistakes.
        weak: Whether bugs, refactorings and replaced tokens are made of examples with a weak proof too.
        sites: Call sites of one family, at most.
        rejected: Wrong forms of a call that are proposed at each site, beside the old one.
        fim: Of a hundred proven examples so many get a gap to be filled in (`fim`).
        edits: Of a hundred so many are refactored, and the bugs of as many corrected (`edit`; migrations all are).
        locate: Of a hundred so many get a token replaced (`locate`).
        tests: `test` examples of a release, at most; those whose text differs between the releases first. 0: all.
    """

    seed: int = 0
    mutants: int = Field(default=1, ge=0, le=20)
    weak: bool = False
    sites: int = Field(default=16, ge=1, le=1000)
    rejected: int = Field(default=3, ge=3, le=20)
    fim: int = Field(default=60, ge=0, le=100)
    edits: int = Field(default=20, ge=0, le=100)
    locate: int = Field(default=25, ge=0, le=100)
    tests: int = Field(default=0, ge=0)


class SandboxSpec(Section):
    """Limits of one execution.

    Attributes:
        timeout_s: Wall seconds an attempt may take.
        memory_mb: Resident memory it may use.
        attempts: How often a program must agree with itself (K).
        workers: Processes at a time; 0 for one a core.
        preload: Modules imported once before programs are forked from them.
        wall: `auto` (bubblewrap where it stands, else Docker), `bubblewrap`, `docker`, or an installed sandbox's name.
        image: With the Docker wall: an image whose system and Python are used instead of the host's.
        runtime: With the Docker wall: the OCI runtime, as `runsc` where there is gVisor.
    """

    wall: str = "auto"
    image: str = ""
    runtime: str = ""
    timeout_s: int = Field(default=10, ge=1, le=600)
    memory_mb: int = Field(default=1024, ge=64)
    attempts: int = Field(default=2, ge=1, le=10)
    workers: int = Field(default=0, ge=0, le=256)
    preload: tuple[str, ...] = ()


class SplitSpec(Section):
    """What is held out.

    Attributes:
        salt: Decides the draw; change it only for a new domain. The gate goes on counting its decisions.
        hub_share: A family called by more than this share of examples is a hub, and is never held out.
    """

    salt: str = "driftune"
    hub_share: float = Field(default=0.1, gt=0, le=1)


class CurationSpec(Section):
    """What is kept.

    Attributes:
        benchmarks: Files of tasks that models are evaluated on (a JSON object a line in `….jsonl`; Python; text), from
            the current folder: rows that hold one of them are removed.
        max_tokens: A row of more tokens is removed: about what a base can read at once.
        cap: Rows of one kind that show one symbol first of all, in training, at most; 0 for any number.
        shares: Kind -> share of the training rows that it may have at most, pages and call sites apart.
    """

    benchmarks: tuple[str, ...] = ()
    max_tokens: int = Field(default=4096, ge=64)
    cap: int = Field(default=0, ge=0)
    shares: Mapping[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)

    def as_text(self) -> dict[str, Any]:
        """The settings that say which rows stay, without floats: for identities."""
        shares = {kind: str(share) for kind, share in sorted(self.shares.items())}
        return {"max_tokens": self.max_tokens, "cap": self.cap, "shares": shares}


class LlmSpec(Section):
    """The LLM that writes rows; none does where no model is named.

    What it is asked is charged at its worst case before it is sent, to all budgets at once, by all processes of a home.

    Attributes:
        model: Its name at the endpoint; empty: nothing is written by an LLM.
        base_url: Address of an endpoint that speaks OpenAI's chat completions; `OPENAI_BASE_URL` where empty.
        key: Where the endpoint's key is found, as `env:OPENAI_API_KEY`; it is never stored.
        trainable: Whether the model's terms let another one be trained on what it says; rows stay out of snapshots
            until this is true.
        forbidden: Models that may not be used here, as `gpt-*`.
        price_in: Money for a million tokens that are sent.
        price_out: Money for a million tokens that come back.
        run_tokens: Tokens, both ways, that a run may use.
        run_money: Money that a run may use; 0: no limit beside that of tokens. Likewise below.
        domain_tokens: Tokens that the domain may use in all; 0: no limit of its own.
        domain_money: Money that the domain may use in all.
        night_tokens: Tokens that all domains of a home together may use from noon to noon, UTC.
        night_money: Money that they may use.
        concurrency: Requests at a time.
        timeout_s: Seconds that a request may take.
        batch: Whether the endpoint's batches are used: half the price at most, and hours later.
        writers: Writer -> how many subjects it writes about at most, those first that have the fewest rows.
        rounds: Programs that a repair may take.
    """

    model: str = ""
    base_url: str = ""
    key: str = "env:OPENAI_API_KEY"
    trainable: bool = False
    forbidden: tuple[str, ...] = ()
    price_in: float = Field(default=0.0, ge=0, le=1e6)
    price_out: float = Field(default=0.0, ge=0, le=1e6)
    run_tokens: int = Field(default=2_000_000, ge=1)
    run_money: float = Field(default=0.0, ge=0, le=1e9)
    domain_tokens: int = Field(default=0, ge=0)
    domain_money: float = Field(default=0.0, ge=0, le=1e9)
    night_tokens: int = Field(default=0, ge=0)
    night_money: float = Field(default=0.0, ge=0, le=1e9)
    concurrency: int = Field(default=8, ge=1, le=256)
    timeout_s: int = Field(default=120, ge=1, le=3600)
    batch: bool = False
    writers: Mapping[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    rounds: int = Field(default=3, ge=1, le=10)

    def forbids(self, model: str) -> str:
        """The pattern under which a model may not be used, empty where it may."""
        return next((pattern for pattern in self.forbidden if fnmatchcase(model.lower(), pattern.lower())), "")

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.model and (pattern := self.forbids(self.model)):
            raise ValueError(f"model {self.model!r} is forbidden by {pattern!r} of forbidden: name another model")
        limits = [name for name in ("run_money", "domain_money", "night_money") if getattr(self, name)]
        if self.model and limits and not (self.price_in and self.price_out):
            raise ValueError(
                f"{limits[0]} limits money, but price_in or price_out is 0: say what a million tokens cost, or leave"
                f" {limits[0]} out (run_tokens limits tokens)"
            )
        return self


class GuardSpec(Section):
    """What a run asks about before it does it.

    Attributes:
        removals: A larger share of a library's symbols, text or rows may not go at once unasked; 1 never asks.
    """

    removals: float = Field(default=0.2, gt=0, le=1)


class PrioritySpec(Section):
    """Where the domain stands among others that run with it (`driftune run --all`).

    Attributes:
        weight: 2 has twice the time of another while both have something to do, and comes twice as early.
    """

    weight: float = Field(default=1.0, ge=0.01, le=100)


class TrainSpec(Section):
    """Base and recipe; `finetune` says what each setting does.

    Attributes:
        base: Name of the base: `tiny`, `hub`, `folder`, or one of an installed plug-in.
        seed: Seed of the adapter; that of a base is one of its own settings.
        threads: CPU threads; 0 for one a core.
        price: What an hour of training costs here, in any currency, for `runs.cost`.
        recipe: The steps of the training, each going on with the adapter of the one before; `text` and `rl` are others.
        start: `fresh` makes a new adapter, `warm` goes on from the one that `stable` holds, `both` tries both, and the
            split `dev` says which is taken.
        rehearsal: Share of what each step of a warm start sees that the adapter was trained on before.
        report_to: What a training's curves are written for, where it is installed: `tensorboard`, `mlflow`.
        shuffle: Prefer any form of a call over its others, drawn at each call site: for `driftune experiment` alone.
        base_settings: Settings of the base that differ from its defaults.
        lora: Settings of the adapter that differ from the defaults.
        text: Settings of continued pretraining that differ from the defaults.
        sft: Settings of supervised fine-tuning that differ from the defaults.
        preference: Settings of preference tuning that differ from the defaults.
        rl: Settings of reinforcement that differ from the defaults.
    """

    base: str = "tiny"
    seed: int = 0
    threads: int = Field(default=0, ge=0, le=256)
    price: float = Field(default=0.0, ge=0)
    recipe: tuple[str, ...] = ("sft", "preference")
    report_to: tuple[Literal["tensorboard", "mlflow"], ...] = ("tensorboard", "mlflow")
    start: Literal["fresh", "warm", "both"] = "fresh"
    rehearsal: float = Field(default=0.25, ge=0, lt=1)
    shuffle: bool = False
    base_settings: Mapping[str, Any] = Field(default_factory=dict)
    lora: Mapping[str, Any] = Field(default_factory=dict)
    text: Mapping[str, Any] = Field(default_factory=dict)
    sft: Mapping[str, Any] = Field(default_factory=dict)
    preference: Mapping[str, Any] = Field(default_factory=dict)
    rl: Mapping[str, Any] = Field(default_factory=dict)


class GateSpec(Section):
    """What an adapter must show.

    Attributes:
        metric: The goal metric.
        split: The split it is measured on.
        alpha: Error rate of the first decision on a held-out set; each further one has half.
        min_families: Fewer held-out families than this are undecided.
        margin: By how much it may fall short of the base with docs at the interval's lower end.
        general_limit: Share by which general code may get worse (0.10 is 10%).
        unseen_limit: By how much the goal metric may fall on families that nothing was trained on (`symbol`).
        rows_limit: Share by which bits per byte of answers to held-out rows of other kinds may grow.
        window: Tokens of docs, prompt and call together, in every arm; 0 for as many as the base takes, up to 2,048.
        docs: Pieces of documentation in a prompt at most, in the arms with docs.
        pages: Whether paragraphs of guides and changelogs are among these, beside signatures and docstrings.
        tasks: File of tasks (as for `driftune evaluate --tasks`), from the current folder, that `stable` hangs on: it
            moves only to what passes as many of them as what it holds, or as the base where it holds none.
        tasks_margin: The share of these tasks by which it may pass fewer.
        rows: Held-out rows of each other kind than call sites that are scored, of each split.
        written: How many of these models write answers to, of each kind, in `context` and in `symbol`; `auto` is 16
            with a base of 100 million parameters or more, else none.
    """

    metric: Literal["preference", "choice@1"] = "choice@1"
    split: Literal["context", "symbol"] = "context"
    alpha: float = Field(default=0.025, gt=0, lt=0.5)
    min_families: int = Field(default=12, ge=2)
    margin: float = Field(default=0.05, ge=0)
    general_limit: float = Field(default=0.10, gt=0)
    unseen_limit: float = Field(default=0.05, ge=0)
    rows_limit: float = Field(default=0.05, ge=0)
    window: int = 0
    docs: int = Field(default=2, ge=1)
    pages: bool = False
    tasks: str = ""
    tasks_margin: float = Field(default=0.1, gt=0, lt=1)
    rows: int = Field(default=30, ge=0)
    written: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"

    @field_validator("window")
    @classmethod
    def _holds_a_call(cls, window: int) -> int:
        if window and window < 32:
            raise ValueError("a prompt and a call take 32 tokens at least; 0 is as many as the base takes")
        return window


class WorkloadSpec(Section):
    """An adapter of its own, made of the domain's snapshot and published as `DOMAIN-WORKLOAD`.

    Attributes:
        train: What differs from the domain's `[train]`: another base, recipe, shares of rows.
        gate: What differs from its `[gate]`.
    """

    train: Mapping[str, Any] = Field(default_factory=dict)
    gate: Mapping[str, Any] = Field(default_factory=dict)


Command = Literal["scrape", "synth", "validate", "curate", "train", "evaluate", "publish"]
"""The commands that a run is made of."""


class Domain(Section):
    """A domain.

    Attributes:
        name: Its name: the file's.
        library: Its libraries.
        licences: SPDX ids that may be trained on.
        deadlines: Command -> hours that its stages may take in a run, which is ended then: `{ train = 12 }`; those that
            aren't named have the hours of the setting `DRIFTUNE_STAGE_HOURS`.
        workload: Name -> an adapter that is trained and published beside the domain's own.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)
    library: tuple[LibrarySpec, ...] = Field(min_length=1, max_length=1)  # several at once come with a later release
    licences: tuple[str, ...] = PERMISSIVE
    synth: SynthSpec = SynthSpec()
    sandbox: SandboxSpec = SandboxSpec()
    splits: SplitSpec = SplitSpec()
    curation: CurationSpec = CurationSpec()
    guard: GuardSpec = GuardSpec()
    priority: PrioritySpec = PrioritySpec()
    llm: LlmSpec = LlmSpec()
    train: TrainSpec = TrainSpec()
    gate: GateSpec = GateSpec()
    deadlines: Mapping[Command, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    workload: Mapping[str, WorkloadSpec] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _one_library_or_more(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("library"), dict):
            return data | {"library": [data["library"]]}
        return data
