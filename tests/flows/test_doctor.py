"""`driftune doctor` says what is here, and what to do about what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.doctor import Finding, clashes, domains_here, findings, show_findings
from registry.settings import Settings
from tests.flows.said import endpoint


def by_part(found: list[Finding]) -> dict[str, Finding]:
    return {f.part: f for f in found}


def test_no_other_distribution_owns_our_names() -> None:
    """Nothing else that is installed here owns one of the six import names."""
    assert clashes() == {}


def test_a_worker_has_no_clash_either() -> None:
    """Another process of this environment, in another folder, imports our packages and finds no clash."""
    code = "import flows.doctor as d; print(d.clashes(), d.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    import flows.doctor

    assert done.stdout.split() == ["{}", flows.doctor.__file__]


def test_a_clash_is_named() -> None:
    """A distribution that owns one of our names is listed under that name."""
    assert clashes({"flows": ["driftune", "other"], "synth": ["driftune"]}) == {"flows": ["other"]}


def test_everything_that_tests_need_is_here(tmp_path: Path) -> None:
    """On a machine that `make test` set up, nothing is broken."""
    found = findings(Settings(home=tmp_path))
    assert [f for f in found if f.level == "broken"] == []
    parts = by_part(found)
    assert parts["sandbox: bubblewrap"].level == "ok"
    assert parts["Python"].found.startswith(".".join(map(str, sys.version_info[:2])))


def test_what_is_not_ok_has_advice(tmp_path: Path) -> None:
    """Where no other program is found at all, both walls are broken, and whatever is not ok comes with what to do."""
    code = "import sys, flows.doctor as d; sys.exit(d.show_findings(as_json=True))"
    nobody = f"unix://{tmp_path}/docker.sock"
    environment = {"PATH": str(tmp_path), "DRIFTUNE_HOME": str(tmp_path), "DOCKER_HOST": nobody}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    found = [Finding(**row) for row in json.loads(done.stdout)]
    assert done.returncode == 1
    assert all(f.advice for f in found if f.level != "ok")
    assert [f.part for f in found if f.level == "broken"] == ["sandbox: bubblewrap", "sandbox: docker"]
    assert "install" in by_part(found)["sandbox: bubblewrap"].advice


def test_one_wall_is_enough(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both walls are looked at; where one stands, the other is only missing."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    found = by_part(findings())
    assert (found["sandbox: bubblewrap"].level, found["sandbox: docker"].level) == ("ok", "ok")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = by_part(findings())
    assert (found["sandbox: bubblewrap"].level, found["sandbox: docker"].level) == ("missing", "ok")
    assert found["sandbox: bubblewrap"].advice == "Not needed: docker is the wall"


@pytest.mark.parametrize("part", ["home", "registry"])
def test_a_place_below_a_file_is_broken(part: str, tmp_path: Path) -> None:
    """A folder that can't be made is broken, and the advice names the variable to set."""
    (tmp_path / "file").touch()
    settings = Settings(**{part: tmp_path / "file" / "below" if part == "home" else str(tmp_path / "file" / "below")})
    finding = by_part(findings(settings))[part]
    assert finding.level == "broken"
    assert f"{tmp_path}/file is a file" in finding.found
    assert f"DRIFTUNE_{part.upper()}" in finding.advice


def test_json_and_table_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` is one array of objects with every part that the table shows, and the exit code is 0."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    assert show_findings(as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {tuple(row) for row in rows} == {("part", "level", "found", "advice")}
    assert show_findings(as_json=False) == 0
    table = capsys.readouterr().out
    assert all(row["part"] in table for row in rows)


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    """Looking writes nothing, not even the home folder."""
    findings(Settings(home=tmp_path / "home"))
    assert list(tmp_path.iterdir()) == []


def test_a_login_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a domain that reads behind a login, the variable that isn't set is broken; set, it is ok and not shown."""
    (tmp_path / "domains").mkdir()
    source = 'index = "https://packages.example/simple/"\ncredentials = "env:OUR_TOKEN"'
    text = f'[[library]]\nname = "lib"\nversions = ["1", "2"]\n[[library.source]]\n{source}\n'
    (tmp_path / "domains" / "lib.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUR_TOKEN", raising=False)
    (missing,) = domains_here(Settings(home=tmp_path))
    assert (missing.part, missing.level) == ("login: lib", "broken")
    assert "OUR_TOKEN" in missing.advice
    monkeypatch.setenv("OUR_TOKEN", "s3cr3t-4711")
    (there,) = domains_here(Settings(home=tmp_path))
    assert there.level == "ok"
    assert "s3cr3t" not in str(there)


@pytest.mark.parametrize(
    ("model", "level", "advice"),
    [("m", "ok", ""), ("other", "broken", "It has no model 'other', but m: mend [llm] model"),
     ("gone", "broken", "It doesn't list its models")],
)  # fmt: skip
def test_an_llm_is_asked_for_its_models_alone(
    model: str, level: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A domain's LLM is found where its endpoint lists it; nothing is asked that costs, and what is wrong is said."""
    with endpoint() as server:
        url = "http://127.0.0.2:9/v1" if model == "gone" else server.url
        monkeypatch.chdir(tmp_path)
        (tmp_path / "domains").mkdir()
        told = f'[[library]]\nname = "lib"\nversions = ["1", "2"]\n[llm]\nmodel = "{model}"\nbase_url = "{url}"\n'
        (tmp_path / "domains" / "lib.toml").write_text(told)
        [found] = [f for f in domains_here(Settings(home=tmp_path)) if f.part == "LLM: lib"]
        assert (found.level, server.charged) == (level, [])
    assert found.advice.startswith(advice)
