"""The package index: versions of a library, the files of one, and downloads whose digests are checked."""

from __future__ import annotations

import configparser
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.credentials import Credentials, find_credentials
from registry.errors import ConfigurationError, SourceError
from registry.identity import sha256_of, sha256_of_file
from scrapers.index_session import FILE_BYTES, LISTING_BYTES, TIMEOUT, session_for, translated

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.version import Version
    from pypi_simple import DistributionPackage, PyPISimple


def normalised_name(name: str) -> str:
    """The name of a distribution as PEP 503 has it: `More_Itertools` -> `more-itertools`."""
    from packaging.utils import canonicalize_name

    return str(canonicalize_name(name))


def parsed_version(text: str) -> Version:
    """The version, comparable by `<`.

    Raises:
        ConfigurationError: `text` is no version (PEP 440).
    """
    from packaging.version import Version

    try:
        return Version(text)
    except ValueError as e:  # none, or of more digits than Python reads
        raise ConfigurationError(f"{text!r} is no version: write it as 2.8.8 or 3.0rc1", version=text) from e


def compare_versions(old: str, new: str) -> int:
    """-1 where `old` is before `new`, 0 where they are the same, 1 where it is after it.

    Raises:
        ConfigurationError: One of them is no version.
    """
    a, b = parsed_version(old), parsed_version(new)
    return (a > b) - (a < b)


class Index:
    """A package index that speaks the simple API: the configured one, else the default.

    Args:
        url: Its address; by default `PIP_INDEX_URL`, else `index-url` of pip's configuration, else what pypi-simple
            knows.
        credentials: Where its login is found (`registry.credentials`), looked up when it is asked; without, it is that
            of the address or of netrc, as pip has it.
    """

    def __init__(self, url: str | None = None, credentials: str | None = None) -> None:
        self._own, self._credentials = url is not None, credentials
        self._url = url or configured_url()
        self._pages: dict[str, tuple[DistributionPackage, ...]] = {}
        self._versions: dict[str, dict[Version, list[DistributionPackage]]] = {}

    @property
    def mark(self) -> str:
        """What tells files of this index from those of others of the same name; empty for the configured one."""
        return f"-{sha256_of(self._url)[:8]}" if self._own else ""

    def files(self, library: str) -> tuple[DistributionPackage, ...]:
        """Every file of a library, as the index lists them.

        Raises:
            ConfigurationError: The index has no such library.
            SourceError: The index can't be reached, or what it gives is too much or no listing.
        """
        from pypi_simple import NoSuchProjectError

        name = normalised_name(library)
        if name not in self._pages:
            with self._client(LISTING_BYTES) as client, translated(f"package index, asked for {name}", self._own):
                try:
                    self._pages[name] = tuple(client.get_project_page(name, timeout=TIMEOUT).packages)
                except NoSuchProjectError:  # it names the address, with the login that may be in it
                    raise ConfigurationError(
                        f"No library {library!r} on the package index: check its name in the domain file, "
                        + ("and the index there" if self._own else "or set PIP_INDEX_URL to an index that has it"),
                        library=library,
                    ) from None
        return self._pages[name]

    def versions(self, library: str) -> list[str]:
        """The versions of a library that have a file, oldest first."""
        return [str(v) for v in sorted(self._by_version(library))]

    def files_of(self, library: str, version: str, where: str = "the domain file") -> list[DistributionPackage]:
        """The files of one version, sorted by name.

        Args:
            library: Name of the distribution.
            version: The version, in any spelling that PEP 440 takes as the same.
            where: What the error tells to change.

        Raises:
            ConfigurationError: There is no such version; the message lists those around it.
        """
        wanted = parsed_version(version)
        found = self._by_version(library)
        if wanted not in found:
            around = _around(sorted(found), wanted)
            raise ConfigurationError(
                f"No version {version!r} of {library}: found {around}. Set versions in {where}",
                library=library,
                version=version,
            )
        return sorted(found[wanted], key=lambda f: f.filename)

    def _by_version(self, library: str) -> dict[Version, list[DistributionPackage]]:
        """Sorted out once: whoever follows a library asks for the files of each of its versions, of thousands."""
        name = normalised_name(library)
        if name not in self._versions:
            self._versions[name] = _by_version(self.files(library))
        return self._versions[name]

    def download(self, file: DistributionPackage, folder: Path) -> tuple[Path, str]:
        """Downloads a file, unless it is there with the right digest.

        Returns:
            Where it is, and its SHA-256 (64 hex characters).

        Raises:
            SourceError: It can't be had or is too large, its digest is not what the index says, or its name is no plain
                one.
        """
        from pypi_simple import DigestMismatchError, NoDigestsError

        if Path(file.filename).name != file.filename:
            raise SourceError(f"The package index has a file of the name {file.filename!r}, which leads elsewhere")
        path = folder / file.filename
        wanted = file.digests.get("sha256")
        if path.is_file() and (known := sha256_of_file(path)) == wanted:
            return path, known
        part = folder / f"{file.filename}.{os.getpid()}.part"
        with self._client(FILE_BYTES) as client, translated(f"download of {file.filename}", self._own):
            try:
                client.download_package(file, part, verify=True, timeout=TIMEOUT)
            except (DigestMismatchError, NoDigestsError):
                part.unlink(missing_ok=True)
                raise SourceError(
                    f"{file.filename} is not what the package index says: its digest is another, or none is listed",
                    file=file.filename,
                    retryable=True,
                ) from None
        digest = sha256_of_file(part)
        part.replace(path)
        return path, digest

    def metadata(self, file: DistributionPackage) -> bytes:
        """The core metadata that the index has beside a wheel.

        Raises:
            SourceError: It can't be had, or its digest is not what the index says.
        """
        from pypi_simple import DigestMismatchError, NoMetadataError

        with self._client(LISTING_BYTES) as client, translated(f"metadata of {file.filename}", self._own):
            try:
                return bytes(client.get_package_metadata_bytes(file, timeout=TIMEOUT))
            except (DigestMismatchError, NoMetadataError):
                raise SourceError(
                    f"The metadata of {file.filename} is not what the package index says: it isn't there, or its "
                    "digest is another"
                ) from None

    def login(self) -> Credentials | None:
        """What opens it, if the domain says where that is found.

        Raises:
            ConfigurationError: It isn't there.
        """
        return find_credentials(self._credentials, self._url or "")

    @contextmanager
    def _client(self, most: int) -> Iterator[PyPISimple]:
        from pypi_simple import PyPISimple

        with session_for(self.login(), most) as session:
            certificates = os.environ.get("PIP_CERT")
            if certificates and not os.environ.get("REQUESTS_CA_BUNDLE"):
                session.verify = certificates
            with PyPISimple(self._url, session=session) if self._url else PyPISimple(session=session) as client:
                yield client


def index_of(sources: Iterable[Mapping[str, Any]]) -> Index:
    """The index that the packages of a domain come from: that of its first source `pypi`.

    Raises:
        ConfigurationError: It has credentials, and no index that they are for.
    """
    spec = next((s for s in sources if s.get("kind") == "pypi"), {})
    url, where = spec.get("index"), spec.get("credentials")
    if where and not url:
        raise ConfigurationError("Credentials of a source pypi are for an index of its own: set index beside them")
    return Index(url, where)


def pick_wheel(files: Sequence[DistributionPackage], library: str, version: str) -> DistributionPackage:
    """The wheel that fits this Python best.

    Raises:
        ConfigurationError: None fits; the message says what there is.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    ranks = _ranks()
    fitting: list[tuple[int, str, DistributionPackage]] = []
    seen: list[str] = []
    for file in files:
        if file.package_type != "wheel":
            continue
        try:
            tags = parse_wheel_filename(file.filename)[3]
        except InvalidWheelFilename:
            continue
        rank = min((ranks[t] for t in tags if t in ranks), default=None)
        if rank is not None and _takes_this_python(file.requires_python):
            fitting.append((rank, file.filename, file))
        seen.append(_wanted_by(file, sorted(str(t) for t in tags)[0]))
    if not fitting:
        python = ".".join(platform.python_version_tuple()[:2])
        there = ", ".join(sorted(set(seen))[:4]) or "no wheel at all"
        raise ConfigurationError(
            f"No wheel of {library} {version} for Python {python}: found {there}. Choose another version, or run "
            "driftune with a Python that has one",
            library=library,
            version=version,
        )
    return min(fitting, key=lambda f: f[:2])[2]


@cache
def _ranks() -> dict[Tag, int]:
    """Tag -> how well a wheel with it fits this Python, the best 0."""
    from packaging.tags import sys_tags

    return {tag: rank for rank, tag in reversed(list(enumerate(sys_tags())))}


def pick_sdist(files: Sequence[DistributionPackage]) -> DistributionPackage | None:
    """The source distribution, a tar archive before a zip; none where the version has none."""
    sdists = [f for f in files if f.package_type == "sdist"]
    return min(sdists, key=lambda f: (f.filename.endswith(".zip"), f.filename), default=None)


def configured_url() -> str | None:
    """The index that the user configured for pip (`PIP_INDEX_URL`, or `index-url` in a pip.conf), if any."""
    if url := os.environ.get("PIP_INDEX_URL"):
        return url
    for file in _pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself will say what is wrong with it
        for section in ("install", "global"):
            if url := parser.get(section, "index-url", fallback=None):
                return url.strip()
    return None


def _pip_files() -> list[Path]:
    """Pip's configuration files, the strongest first."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path(sys.prefix) / "pip.conf", config / "pip" / "pip.conf", home / ".pip" / "pip.conf"]
    return [*([Path(named)] if named else []), *files, Path("/etc/pip.conf")]


def _takes_this_python(specifier: str | None) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return platform.python_version() in SpecifierSet(specifier or "", prereleases=True)
    except InvalidSpecifier:
        return True


def _wanted_by(file: DistributionPackage, tag: str) -> str:
    return tag if _takes_this_python(file.requires_python) else f"{tag} (Python {file.requires_python})"


def _by_version(files: Sequence[DistributionPackage]) -> dict[Version, list[DistributionPackage]]:
    from packaging.version import Version

    found: dict[Version, list[DistributionPackage]] = {}
    for file in files:
        try:
            found.setdefault(Version(file.version or ""), []).append(file)
        except ValueError:  # none, or of more digits than Python reads
            continue
    return {v: fs for v, fs in found.items() if any(f.package_type in {"wheel", "sdist"} for f in fs)}


def _around(found: list[Version], wanted: Version) -> str:
    """The versions next to `wanted`, and the newest: `2.8.8, 3.0 … 3.6.1`."""
    if not found:
        return "none"
    stable = [v for v in found if not v.is_prerelease] or found
    if len(stable) <= 4:
        return ", ".join(map(str, stable))
    before, after = [v for v in stable if v < wanted], [v for v in stable if v > wanted]
    if not before:
        return f"{after[0]}, {after[1]} … {after[-1]}"
    if len(after) < 2:
        return f"{stable[0]} … " + ", ".join(map(str, [*before[-2:], *after]))
    return f"{before[-1]}, {after[0]} … {after[-1]}"
