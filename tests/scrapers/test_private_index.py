"""A private index: its login reaches it and nobody else, and no error shows it."""

from __future__ import annotations

import hashlib
import re
import shutil
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.errors import ConfigurationError, DriftuneError, SandboxError, SourceError
from registry.records import Program
from scrapers.index import Index, index_of
from scrapers.pypi import PyPISource
from scrapers.relay import Relay
from tests.indexed import OwnIndex, own_index
from validators.execution import interpreters
from validators.execution.pool import Pool
from validators.execution.resolution import resolve

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
    """An index that points elsewhere doesn't send its login there: neither by a link or redirect nor by netrc."""
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
        private.moved_to = other.url.removesuffix("/simple/")
        assert Index(private.url, "env:LIB_TOKEN").versions("lib") == ["1.0"]
        assert [login for _, login in other.asked] == [None, None]
        private.moved_to = private.url.replace("/simple/", "/moved")
        assert Index(private.url, "env:LIB_TOKEN").versions("lib") == ["1.0"]
        assert {login for _, login in private.asked} == {f"Bearer {SECRET}"}


def test_a_proxy_sees_no_login_for_this_machine(
    private: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What isn't encrypted goes to this machine itself, whatever proxy the environment names."""
    monkeypatch.setenv("LIB_TOKEN", SECRET)
    with own_index(tmp_path) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert Index(private.url, "env:LIB_TOKEN").versions("lib") == ["1.0"]
        assert proxy.asked == []


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


@pytest.mark.parametrize(
    ("fault", "entry"),
    [
        ({"down": True}, {}),
        ({"login": "Bearer other"}, {}),
        ({"files": {}}, {}),
        ({}, {"hashes": {"sha256": "0" * 64}}),
        ({}, {"hashes": {}}),
        ({}, {"url": "/nowhere/x.whl"}),
        ({}, {"filename": "lib-1.0/../../../outside-1.0.tar.gz"}),
    ],
)
def test_no_fault_of_an_index_shows_a_login(
    fault: dict[str, Any], entry: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the address of pip's index is in no message, nor in a traceback; nothing is written elsewhere."""
    folder = tmp_path / "home" / "cache"
    folder.mkdir(parents=True)
    with own_index(tmp_path) as index:
        index.add("lib", "1.0", {"lib.py": ""})
        index.files["lib"]["lib-1.0-py3-none-any.whl"] |= entry
        for name, value in fault.items():
            setattr(index, name, value)
        monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", f"//me:{SECRET}@"))
        with pytest.raises(DriftuneError) as raised:
            asked = Index()
            asked.download(asked.files("lib")[0], folder)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert [path for path in folder.parent.rglob("*") if path != folder] == []


def test_credentials_without_an_index_are_refused(tmp_path: Path) -> None:
    """A login is for an index that the domain names, not for whatever one pip has."""
    with pytest.raises(ConfigurationError, match="set index beside them"):
        PyPISource().scrape({"credentials": "env:LIB_TOKEN"}, "lib", "1.0", tmp_path)


def listed(address: str, library: str) -> tuple[int, str]:
    answer = httpx.get(f"{address}{library}/", trust_env=False)
    return answer.status_code, answer.text


def test_the_relay_hands_on_what_pip_needs_and_no_login(
    private: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip gets listings with what it chooses by, and files, without a login; another address gets nothing."""
    monkeypatch.setenv("LIB_TOKEN", SECRET)
    private.add("lib", "1.1", {"lib.py": ""}, requires_python=">=3.8,<4", yanked='It has "faults"')
    with Relay(index_of([{"kind": "pypi", **spec(private)}]), Index(private.url)).served() as address:
        status, page = listed(address, "lib")
        assert status == 200
        assert 'data-requires-python="&gt;=3.8,&lt;4"' in page
        assert 'data-yanked="It has &quot;faults&quot;"' in page
        link = re.search(r'href="([^"#]+/lib-1.0-py3-none-any.whl)#sha256=(\w+)"', page)
        assert link is not None
        wheel = httpx.get(httpx.URL(address).join(link[1]), trust_env=False).content
        assert hashlib.sha256(wheel).hexdigest() == link[2]
        base = address.rsplit("/", 3)[0]
        for path in ("/simple/lib/", "/wrong/simple/lib/", link[1].replace("files/lib", "files/..%2Flib")):
            assert httpx.get(f"{base}{path}", trust_env=False).status_code == 404
        assert SECRET not in page + address


def test_what_the_own_index_lists_comes_from_nowhere_else(private: OwnIndex, tmp_path: Path) -> None:
    """A public package of the same name is never seen; what the own index lacks comes from the other one."""
    with own_index(tmp_path) as public:
        public.add("lib", "99.0", {"lib.py": "evil = 1\n"})
        public.add("beside", "1.0", {"beside.py": ""})
        private.login = None
        relay = Relay(Index(private.url), Index(public.url))
        with relay.served() as address:
            assert "99.0" not in listed(address, "lib")[1]
            assert "beside-1.0" in listed(address, "beside")[1]
            assert listed(address, "nowhere")[0] == 404
        private.login = "Bearer other"
        with Relay(Index(private.url), Index(public.url)).served() as address:
            assert listed(address, "lib")[0] == 502
        private.down = True
        with Relay(Index(private.url), Index(public.url)).served() as address:
            assert listed(address, "beside")[0] == 502


@pytest.mark.slow
def test_pip_gets_no_login(private: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that isn't there is said before pip runs; one that is there is in none of pip's variables."""
    relay = Relay(index_of([{"kind": "pypi", **spec(private)}]))
    shell = tmp_path / "python"
    shell.write_text(f"#!/bin/sh\nenv > {tmp_path}/variables\nexit 1\n")
    shell.chmod(0o755)
    other = replace(interpreters.find(), path=shell)
    with pytest.raises(ConfigurationError, match="LIB_TOKEN"):
        resolve(["lib==1.0"], tmp_path, other, relay=relay)
    monkeypatch.setenv("LIB_TOKEN", SECRET)
    with pytest.raises(SandboxError, match="No wheels for lib"):
        resolve(["lib==1.0"], tmp_path, other, relay=relay)
    variables = (tmp_path / "variables").read_text()
    assert "PIP_INDEX_URL=http://127.0.0.1" in variables
    assert SECRET not in variables


def test_an_environment_is_built_of_private_packages(
    private: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private package and its private dependency are installed; the token is in no file and no program."""
    monkeypatch.setenv("LIB_TOKEN", SECRET)
    private.add("lib", "2.0", {"lib.py": "import beneath\n"}, "Requires-Dist: beneath>=1\n")
    private.add("beneath", "1.0", {"beneath.py": "there = 7\n"})
    relay = Relay(index_of([{"kind": "pypi", **spec(private)}]))
    with Pool(1) as pool:
        where = pool.build(["lib==2.0"], tmp_path / "cache", relay=relay)
        looks = "import os, lib\nassert lib.beneath.there == 7\nassert '4711' not in str(dict(os.environ))\n"
        (verdict,) = pool.run(where, [Program(code=looks, test="")], attempts=1)
        assert verdict.outcome == "passed", verdict.detail
        shutil.rmtree(tmp_path / "cache" / "wheels")
        shutil.rmtree(where.root)
        pool.build(["lib==2.0"], tmp_path / "cache", relay=relay)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert SECRET.encode() not in kept
    assert b"/simple/" not in kept
