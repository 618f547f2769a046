"""A private index: its login reaches it and nobody else, and no error shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, SourceError
from scrapers.pypi import PyPISource
from tests.indexed import OwnIndex, own_index

SECRET = "s3cr3t-4711"


@pytest.fixture
def private(tmp_path: Path) -> Iterator[OwnIndex]:
    """An index of `lib` that wants a bearer token."""
    made = tmp_path / "made"
    made.mkdir()
    with own_index(made, f"Bearer {SECRET}") as index:
        index.add("lib", "1.0", {"lib.py": "def f(a): ...\n"})
        yield index


def spec(index: OwnIndex) -> dict[str, str]:
    return {"index": index.url, "credentials": "env:LIB_TOKEN"}


def test_a_private_index_is_read_with_its_login(
    private: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing and the file are asked for with the token; what is in the cache needs neither index nor token."""
    monkeypatch.setenv("LIB_TOKEN", SECRET)
    found = PyPISource().scrape(spec(private), "lib", "1.0", tmp_path / "cache")
    assert [s.path for s in found.symbols] == ["lib", "lib.f"]
    assert {login for _, login in private.asked} == {f"Bearer {SECRET}"}
    monkeypatch.delenv("LIB_TOKEN")
    again = PyPISource().scrape(spec(private), "lib", "1.0", tmp_path / "cache")
    assert again.release.digest == found.release.digest
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert SECRET.encode() not in kept


def test_files_on_another_host_are_asked_for_without_it(
    private: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that points elsewhere doesn't send its login there: neither by a link nor by netrc."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("LIB_TOKEN", SECRET)
    with own_index(private.folder) as other:
        other.files = private.files
        for entry in private.files["lib"].values():
            entry["url"] = other.url.replace("/simple/", entry["url"])
        PyPISource().scrape(spec(private), "lib", "1.0", tmp_path / "cache")
        assert [login for _, login in other.asked] == [None]


@pytest.mark.parametrize(("value", "error"), [("wrong-" + SECRET, SourceError), ("", ConfigurationError)])
def test_a_refused_login_is_one_line_without_it(
    value: str, error: type[Exception], private: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong token is an answer of 401 and what to check, a missing one its variable; the token is in neither."""
    monkeypatch.setenv("LIB_TOKEN", value)
    with pytest.raises(error) as raised:
        PyPISource().scrape(spec(private), "lib", "1.0", tmp_path / "cache")
    assert SECRET not in str(raised.value)
    assert "credentials" in str(raised.value)


def test_credentials_without_an_index_are_refused(tmp_path: Path) -> None:
    """A login is for an index that the domain names, not for whatever one pip has."""
    with pytest.raises(ConfigurationError, match="set index beside them"):
        PyPISource().scrape({"credentials": "env:LIB_TOKEN"}, "lib", "1.0", tmp_path)
