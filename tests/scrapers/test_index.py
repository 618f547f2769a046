from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import ConfigurationError, SourceError
from registry.identity import sha256_of_file
from scrapers.index import Index, compare_versions, configured_url, pick_sdist, pick_wheel
from tests.scrapers.conftest import write_index, write_wheel

VERSIONS = ["1.0", "1.1", "1.2rc1", "1.2", "2.0", "10.0"]


@pytest.fixture
def index(tmp_path: Path, serve) -> Index:
    """An index of `lib` with six versions, over HTTP."""
    made = tmp_path / "made"
    made.mkdir()
    wheels = [write_wheel(made, "lib", v, {"lib.py": f"version = {v!r}\n"}) for v in VERSIONS]
    write_index(tmp_path, "lib", {w: sha256_of_file(w) for w in wheels})
    return Index(serve(tmp_path).url + "/simple/")


def test_versions_are_in_the_order_of_pep_440(index: Index) -> None:
    """Versions are ordered as versions, not as text, pre-releases before their release."""
    assert index.versions("Lib") == ["1.0", "1.1", "1.2rc1", "1.2", "2.0", "10.0"]


@pytest.mark.parametrize(
    ("wanted", "around"),
    [
        ("1.5", "1.2, 2.0 … 10.0"),
        ("0.1", "1.0, 1.1 … 10.0"),
        ("11", "1.0 … 2.0, 10.0"),
        ("2.5", "1.0 … 1.2, 2.0, 10.0"),
    ],
)
def test_missing_version_names_those_around_it(index: Index, wanted: str, around: str) -> None:
    """A version that does not exist is the user's error, with its neighbours and where to set it."""
    with pytest.raises(ConfigurationError) as error:
        index.files_of("lib", wanted, "domains/lib.toml")
    assert str(error.value) == f"No version '{wanted}' of lib: found {around}. Set versions in domains/lib.toml"


def test_missing_library_is_the_users_error(index: Index) -> None:
    """A library that the index does not have is one line that names it."""
    with pytest.raises(ConfigurationError, match=r"^No library 'nowhere-to-be-found' on the package index"):
        index.versions("nowhere-to-be-found")


def test_version_is_found_in_any_spelling(index: Index) -> None:
    """`1.0.0` and `1.0` are one version."""
    assert [f.filename for f in index.files_of("lib", "1.0.0")] == ["lib-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(("old", "new", "sign"), [("2.8.8", "3.6.1", -1), ("3.0", "3.0.0", 0), ("3.10", "3.9", 1)])
def test_versions_compare_as_versions(old: str, new: str, sign: int) -> None:
    """3.10 is after 3.9."""
    assert compare_versions(old, new) == sign


def test_text_that_is_no_version_is_the_users_error() -> None:
    """What PEP 440 does not take is named in the error."""
    with pytest.raises(ConfigurationError, match="'newest' is no version"):
        compare_versions("newest", "1.0")


def test_file_is_not_downloaded_twice(tmp_path: Path, serve) -> None:
    """A file with the right digest is not asked for again; one that was tampered with is."""
    wheel = write_wheel(tmp_path, "lib", "1.0", {"lib.py": "a = 1\n"})
    write_index(tmp_path, "lib", {wheel: sha256_of_file(wheel)})
    served = serve(tmp_path)
    index = Index(f"{served.url}/simple/")
    file = index.files_of("lib", "1.0")[0]
    asked = [index.download(file, tmp_path / "cache") for _ in range(2)]
    assert asked[0] == asked[1] == (tmp_path / "cache" / wheel.name, sha256_of_file(wheel))
    assert sum(p.endswith(".whl") for p in served.asked) == 1
    asked[0][0].write_bytes(b"tampered")
    assert index.download(file, tmp_path / "cache")[1] == sha256_of_file(wheel)
    assert sum(p.endswith(".whl") for p in served.asked) == 2


def test_wrong_digest_is_refused_and_leaves_nothing(tmp_path: Path, serve) -> None:
    """A file that is not what the index says is refused; no part of it stays."""
    wheel = write_wheel(tmp_path, "lib", "1.0", {"lib.py": "a = 1\n"})
    write_index(tmp_path, "lib", {wheel: "0" * 64})
    index = Index(serve(tmp_path).url + "/simple/")
    with pytest.raises(SourceError, match="not what the package index says"):
        index.download(index.files_of("lib", "1.0")[0], tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_unreachable_index_can_be_tried_again() -> None:
    """No connection is a retryable SourceError, one line."""
    with pytest.raises(SourceError) as error:
        Index("http://127.0.0.1:9/simple/").versions("lib")
    assert error.value.retryable
    assert "\n" not in str(error.value)


def test_wheel_for_another_python_is_the_users_error() -> None:
    """Where no wheel fits this Python, the error names the library, the version and what there is."""
    index = Index()
    with pytest.raises(ConfigurationError, match=r"^No wheel of numpy 1\.19\.0 for Python 3\.\d+: found cp3"):
        pick_wheel(index.files_of("numpy", "1.19.0"), "numpy", "1.19.0")


def test_default_index_has_wheel_and_sdist_of_networkx() -> None:
    """The default (or configured) index is found without being named."""
    files = Index().files_of("networkx", "2.8.8")
    assert pick_wheel(files, "networkx", "2.8.8").filename == "networkx-2.8.8-py3-none-any.whl"
    sdist = pick_sdist(files)
    assert sdist is not None
    assert sdist.filename == "networkx-2.8.8.tar.gz"


def test_configured_index_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PIP_INDEX_URL counts before the configuration file, and that before the default."""
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = http://127.0.0.1:9/file\n", encoding="utf-8")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert configured_url() == "http://127.0.0.1:9/file"
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/environment")
    assert configured_url() == "http://127.0.0.1:9/environment"
