"""Documentation sites of known libraries: built by Sphinx from their own sdists, or as Debian packs them.

Building runs the library's code and its `conf.py`: only those listed here, in an environment of its own, without a
network. Nothing of driftune's sources builds anything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from competitors import BenchmarkError, interpreter_with

from scrapers.archives import unpack
from scrapers.index import Index, pick_sdist

HERE = Path(__file__).resolve().parent

PINS = (
    "Sphinx==9.0.4", "docutils==0.22.4", "furo==2025.12.19", "pydata-sphinx-theme==0.20.0", "sphinx-rtd-theme==3.1.0",
    "sphinx-book-theme==1.4.0", "sphinx-design==0.8.0", "sphinx-tabs==3.5.0", "myst-parser==5.2.0", "numpydoc==1.11.0",
    "myst-nb==1.4.0", "sphinx-notfound-page==1.1.0", "sphobjinv==2.4",
)  # fmt: skip
"""What small sites are built with."""

NETWORKX = (
    *PINS, "sphinx-gallery==0.22.1", "texext==0.6.7", "matplotlib==3.11.2", "numpy==2.4.6", "scipy==1.17.1",
    "intersphinx-registry==0.2609.5",
)  # fmt: skip
"""What networkx's own documentation needs more; its gallery of drawings is left out."""

_AUTODOC = "sphinx.ext.autodoc"
_NUMPYDOC = f"sphinx.ext.autosummary,{_AUTODOC},sphinx.ext.mathjax,sphinx.ext.viewcode,texext,numpydoc"
_ATTRS = f"{_AUTODOC},sphinx.ext.doctest,sphinx.ext.todo,notfound.extension"


@dataclass(frozen=True)
class Build:
    """How the documentation of one version is built.

    Attributes:
        library: Name of the distribution.
        version: Its version.
        extensions: Those of its `conf.py` that need no network.
        docs: Folder of its `conf.py` within the sdist.
        pins: What it is built with.
    """

    library: str
    version: str
    extensions: str
    docs: str = "docs"
    pins: tuple[str, ...] = PINS


BUILDS = {
    f"{build.library}-{build.version}": build
    for build in (
        Build("more-itertools", "8.14.0", f"{_AUTODOC},sphinx.ext.viewcode"),
        Build("more-itertools", "11.2.1", f"{_AUTODOC},sphinx.ext.viewcode"),
        Build("attrs", "21.4.0", _ATTRS),
        Build("attrs", "26.1.0", f"myst_parser,sphinx.ext.napoleon,{_ATTRS}"),
        Build("networkx", "2.8.8", f"{_NUMPYDOC},sphinx.ext.todo", "doc", NETWORKX),
        Build("networkx", "3.6.1", f"{_NUMPYDOC},matplotlib.sphinxext.plot_directive,myst_nb", "doc", NETWORKX),
    )
}
"""Name of a site that is built -> how."""

DEBIAN = {
    "pandas-1.5.3": ("python-pandas-doc", "python-pandas-doc/html"),
    "mkdocs": ("mkdocs-doc", "mkdocs/html"),
}
"""Name of a site that Debian packs -> its package, and the folder of its pages below /usr/share/doc."""


def site_of(name: str, cache: Path) -> Path:
    """The folder of a site's pages, made where it isn't there.

    Raises:
        BenchmarkError: It can't be built or downloaded; or there is none of that name.
    """
    if name in DEBIAN:
        return _unpacked(*DEBIAN[name], cache)
    if name not in BUILDS:
        raise BenchmarkError(f"No site {name!r}: there are {', '.join([*BUILDS, *DEBIAN])}")
    return _built(BUILDS[name], cache)


def _built(build: Build, cache: Path) -> Path:
    folder = cache / "sites" / f"{build.library}-{build.version}"
    if (folder / "objects.inv").exists():
        return folder
    python, library = interpreter_with(build.pins, cache, "sphinx-"), _installed(build, cache)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    command = [str(python), "-m", "sphinx", "-b", "html", "-q", "-D", f"extensions={build.extensions},sphinx_blocks"]
    command += ["-D", "nb_execution_mode=off"] if "myst_nb" in build.extensions else []
    _run([*_offline(), *command, str(_sources(build, cache) / build.docs), str(part)], [library, HERE])
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


def _offline() -> list[str]:
    return ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent"]


def _sources(build: Build, cache: Path) -> Path:
    """The unpacked sdist."""
    index = Index()
    sdist = pick_sdist(index.files_of(build.library, build.version))
    if sdist is None:
        raise BenchmarkError(f"{build.library} {build.version} has no sdist")
    path, digest = index.download(sdist, cache / "sdists")
    [top] = unpack(path, cache / "sdists" / digest[:16]).iterdir()
    return top


def _installed(build: Build, cache: Path) -> Path:
    """A folder with the library's wheel in it, for one Python after the other."""
    folder = cache / "libraries" / f"{build.library}-{build.version}"
    if not (folder / "done").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--no-deps", "--target"]
        _run([*pip, str(folder), f"{build.library}=={build.version}"], [])
        (folder / "done").touch()
    return folder


def _unpacked(package: str, path: str, cache: Path) -> Path:
    """A Debian package, downloaded and unpacked, not installed."""
    folder = cache / "debian" / package
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            _run(["apt-get", "download", package], [], folder)
        except BenchmarkError:
            _run(["apt-get", "update"], [], folder)
            _run(["apt-get", "download", package], [], folder)
        _run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder)], [])
        (folder / "done").touch()
    return folder / "usr" / "share" / "doc" / path


def _run(command: list[str], paths: list[Path], folder: Path | None = None) -> None:
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[:8])} ended with {done.returncode}: {done.stderr[-800:].strip()}")
