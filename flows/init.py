"""`driftune init`: a domain file for a library, commented, with versions that the package index has."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import ConfigurationError
from registry.storage import write_file

if TYPE_CHECKING:
    from scrapers.index import Index

TEMPLATE = """\
# {library} {story}. Written by driftune init; what is commented out is the default.

[[library]]
name = "{library}"                     # as on the package index
{versions}
packages = [{packages}]                # import names
# private = []                         # modules that it keeps to itself though no underscore says so, as "pandas.core"
requirements = [                       # what stands beside it, at both versions, each pinned as name==version:
  "{pytest}",                          # what its tests import, and what it depends on at run time
]

[[library.source]]
kind = "pypi"                          # wheels and sdists of the package index: docstrings, prose, tests, licence

[sandbox]
preload = [{packages}, "pytest"]      # imported once, then forked: leave out what starts threads when it is used
# wall = "auto"                        # bubblewrap where it stands, else Docker; or one of them by its name
# image = ""                           # with Docker: an image whose system and Python are used instead of the host's
# runtime = ""                         # with Docker: another OCI runtime, as "runsc" where there is gVisor
# timeout_s = 10                       # of wall time, an attempt
# memory_mb = 1024                     # of resident memory
# attempts = 2                         # a program must agree with itself
# workers = 0                          # processes at a time; 0 for one a core

# [synth]
# seed = 0
# mutants = 1                          # bugs of one mistake made from one proven example, at most
# weak = false                         # whether bugs, refactorings and replaced tokens are made of weakly proven rows
# sites = 16                           # call sites of one family of changes, at most
# rejected = 3                         # wrong forms of a call proposed at each site, beside the old one
# fim = 60                             # of a hundred proven examples so many get a gap to be filled in
# edits = 20                           # of a hundred so many are refactored, and the bugs of as many corrected
# locate = 25                          # of a hundred so many get a token replaced
# tests = 0                            # test examples of a release, at most; 0: all

# [llm]                                # an LLM that writes more rows, within a hard budget: docs/how-to/llm.md
# model = ""                           # its name at the endpoint; empty: none writes
# base_url = ""                        # an address that speaks OpenAI's chat completions; empty: OPENAI_BASE_URL
# key = "env:OPENAI_API_KEY"           # the environment variable that holds the key; the key itself never stands here
# trainable = false                    # say true where its terms allow training on what it says: else rows stay out
# forbidden = []                       # models that may not be used here, as "gpt-*"
# price_in = 0.0                       # money for a million tokens that are sent …
# price_out = 0.0                      # … and that come back
# run_tokens = 2_000_000               # tokens that a run may use, both ways; also: domain_tokens, night_tokens
# run_money = 0.0                      # money that it may use; 0: no limit; also: domain_money, night_money
# concurrency = 8                      # requests at a time
# writers = {{}}                         # writer -> how many subjects it writes about: {{ task = 100, chat = 20 }}
# rounds = 3                           # programs that a repair may take

# [guard]
# removals = 0.2                       # a run asks before a larger share of symbols, text or rows goes; 1 never asks

# [train]
# base = "tiny"                        # a small Llama made on the spot; or hub, folder: docs/how-to/base.md
# seed = 0
# recipe = ["sft", "preference"]       # the steps of a training, each going on with what the last one made; also: text

# [curation]
# benchmarks = []                      # files of tasks (JSON lines, Python, text): rows that hold one are removed
# max_tokens = 4096                    # longer rows are removed
# cap = 0                              # rows of a kind about one symbol in training, at most; 0: any number
# shares = {{}}                        # kind -> its share of the training rows, at most: {{ bug = 0.5 }}

# [gate]
# metric = "choice@1"                  # what an adapter must improve: choice@1 or preference …
# split = "context"                    # … on call sites that nothing was trained on
# min_families = 12                    # fewer held-out families than this: undecided
# general_limit = 0.10                 # by how much general code may get worse
# unseen_limit = 0.05                  # by how much the metric may fall on families that nothing was trained on
# window = 0                           # tokens of docs, prompt and call; 0: as many as the base takes, up to 2,048
# docs = 2                             # pieces of documentation in a prompt, in the arms with docs
# pages = false                        # paragraphs of guides and changelogs too, beside signatures and docstrings
# tasks = ""                           # a team's own tasks (JSON lines): stable moves only where no fewer pass …
# tasks_margin = 0.1                   # … by this share of them
"""


GIVEN = 'versions = ["{old}", "{new}"]          # old, new'
TRACKED = """\
track = "latest"                       # goes to each new release by itself; "lines": to the newest of each line
since = "{old}"                        # the first old version; the first new one is the newest that there is
# keep = 2                             # over how many of the releases that it came to the pair reaches
# prereleases = false                  # whether they count"""


def init_domain(
    library: str, versions: tuple[str, str] | None = None, folder: Path | None = None, *, track: bool = False
) -> Path:
    """Writes the domain file of a library; its path.

    Args:
        library: Name of the distribution.
        versions: Old and new version; where None, the newest of the two newest lines (`3.5`, `3.6`) that have a wheel
            for this Python and weren't yanked.
        folder: Where domain files lie; `domains` where None.
        track: Whether it goes from release to release by itself, beginning with these versions.

    Raises:
        ConfigurationError: There is such a file, or the index has no such library, version or wheel; or versions are
            named for a library that is tracked.
    """
    from scrapers.index import Index, normalised_name
    from scrapers.offered import newest_lines

    name = normalised_name(library)
    path = (folder or Path("domains")) / f"{name}.toml"
    if path.exists():
        raise ConfigurationError(f"There is a domain file {path} already: change it, or remove it first")
    if track and versions:
        raise ConfigurationError("Give either --versions or --track: a tracked library goes to its newest release")
    index = Index()
    old, new = _checked(index, name, versions, path) if versions else newest_lines(index, name)
    packages = ", ".join(f'"{p}"' for p in import_names(index, name, new))
    text = TEMPLATE.format(
        library=name,
        story=f"from {old} on, release by release" if track else f"{old} -> {new}",
        versions=(TRACKED if track else GIVEN).format(old=old, new=new),
        packages=packages,
        pytest=f"pytest=={_newest(index, 'pytest')}",
    )
    write_file(path, _aligned(text).encode(), "the domain file")
    return path


def _aligned(text: str) -> str:
    """The text with the comments that follow something in one column."""
    return re.sub(r"^(\S.*?|  \S.*?) +# ", lambda m: f"{m[1]:<38} # ", text, flags=re.MULTILINE)


def import_names(index: Index, name: str, version: str) -> list[str]:
    """The packages and modules that a release's wheel holds, private ones left out; its own name where none is found.

    Raises:
        SourceError: The wheel can't be downloaded.
    """
    from scrapers.index import pick_wheel

    wheel = pick_wheel(index.files_of(name, version), name, version)
    with tempfile.TemporaryDirectory() as folder:
        path, _ = index.download(wheel, Path(folder))
        with zipfile.ZipFile(path) as archive:
            files = archive.namelist()
    tops = {f.split("/")[0] for f in files if f.endswith("/__init__.py") and f.count("/") == 1}
    tops |= {f.removesuffix(".py") for f in files if f.endswith(".py") and "/" not in f}
    return sorted(t for t in tops if t.isidentifier() and not t.startswith("_")) or [name.replace("-", "_")]


def _checked(index: Index, name: str, versions: tuple[str, str], path: Path) -> tuple[str, str]:
    """The two versions, in their normal form, if the index has a wheel of each."""
    from scrapers.index import compare_versions, parsed_version, pick_wheel

    old, new = versions
    if compare_versions(old, new) >= 0:
        raise ConfigurationError(f"The old version must come first, found {old} before {new}")
    for version in versions:
        pick_wheel(index.files_of(name, version, f"--versions, or later in {path}"), name, version)
    return str(parsed_version(old)), str(parsed_version(new))


def _newest(index: Index, name: str) -> str:
    """The newest release with a wheel for this Python."""
    from scrapers.offered import offered

    for version in offered(index, name):
        return str(version)
    raise ConfigurationError(f"The package index has no wheel of {name} for this Python: check PIP_INDEX_URL")
