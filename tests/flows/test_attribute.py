"""`driftune attribute`: outputs of a model against the rows of a lake."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.attribute import attribute
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.records import Example, Program, Snapshot, SnapshotRow, Work
from registry.store import Publication, Store
from tests.flows.runs import ROOT, environment
from tests.registry.test_store import adapter_folder, publication

CODE = "import lib\n\nbox = lib.Box(3)\nfor item in range(7):\n    box.put(item, at=item * 2)\nresult = box.sorted()\n"
LONG = CODE + "".join(f"check{n} = box.find({n}, near={n + 1})\n" for n in range(8))


def program(code: str) -> Program:
    return Program(code=code, test="assert result\n")


def row(domain: str, kind: str, root: str, programs: dict[str, Program], licence: str) -> Example:
    return Example(
        domain=domain, kind=kind, releases=("r",), parts={"programs": {k: p.id for k, p in programs.items()}}, file="f",
        root=root, generator="g", generator_version="1", licence=licence, source_url=f"pypi://{domain}/1/{root}.py",
    )  # fmt: skip


SOLVED = program(LONG)
BROKEN = program(LONG.replace("near=3", "near=4"))
FORMER = program("import lib\nformer = lib.once(1, 2, 3, 4)\n")
HELD = program("import lib\nheld = lib.out(1, 2, 3, 4)\n")
ROWS = {
    "test": row("lib", "test", "a", {"answer": SOLVED}, "MIT"),
    "bug": row("lib", "bug", "a", {"buggy": BROKEN, "fixed": SOLVED}, "MIT"),
    "held out": row("lib", "test", "h", {"answer": HELD}, "MIT"),
    "other": row("other", "doc", "o", {"answer": program(CODE)}, "BSD-3-Clause"),
    "former": row("lib", "doc", "f", {"answer": FORMER}, "MIT"),
}


def curation(domain: str, number: int, splits: dict[str, str]) -> list[Any]:
    """A snapshot with rows in splits, and the work that made it."""
    snapshot = Snapshot(domain=domain, rows_sha256=str(number), filters={})
    rows = [SnapshotRow(snapshot=snapshot.id, example=ROWS[name].id, split=split) for name, split in splits.items()]
    work = Work(
        key=f"{domain}{number}", stage="curate", domain=domain, part="curate@1", outputs=1,
        result={"snapshot": snapshot.id},
    )  # fmt: skip
    return [snapshot, *rows, work]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two domains; the first has a snapshot before its latest."""
    root: Path = tmp_path_factory.mktemp("home")
    lake = Lake(str(root / "lake"), root)
    lake.create()
    lake.append([*ROWS.values(), SOLVED, BROKEN, HELD, FORMER, program(CODE)])
    lake.append(curation("lib", 1, {"former": "train"}))
    lake.append(curation("lib", 2, {"test": "train", "bug": "train", "held out": "context"}))
    lake.append(curation("other", 1, {"other": "train"}))
    (root / "lib.toml").write_text('[[library]]\nname = "lib"\nversions = ["1", "2"]\n')
    return root


@pytest.fixture
def home(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of that lake, as the environment names it."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(made))
    return made


def told(home: Path, text: str, capsys: pytest.CaptureFixture[str], domain: str = "", limit: int = 5) -> dict[str, Any]:
    """What a program reads of an output."""
    (home / "output.py").write_text(text)
    attribute(home / "output.py", domain, limit, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_copy_is_told_with_page_and_licence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest row first, one of a root, with where it comes from; over all domains or one."""
    found = told(home, LONG, capsys)
    assert (found["rows"], found["copied"]) == (3, True)
    first, second = found["nearest"]
    assert first["row"] in {ROWS["test"].id, ROWS["bug"].id}
    assert (first["page"], first["licence"], first["same_root"]) == ("pypi://lib/1/a.py", "MIT", 1)
    assert (first["share"], first["lines"]) == (1.0, [1, 14])
    assert (second["domain"], second["licence"]) == ("other", "BSD-3-Clause")
    assert len(told(home, LONG, capsys, limit=1)["nearest"]) == 1
    only = told(home, LONG, capsys, domain=str(home / "lib.toml"))
    assert {n["domain"] for n in only["nearest"]} == {"lib"}


def test_an_adapter_is_held_to_the_rows_that_taught_it(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Those of its own snapshot, however old, and of the adapters that it goes on from; one that is unknown is told."""
    lake = Lake(str(home / "lake"), home)
    store = Store(home / "registry")

    def about(run: str, snapshot: str, before: str | None = None) -> Publication:
        return dataclasses.replace(publication(run, "lib"), snapshot=snapshot, started_from=before)

    folder = adapter_folder(tmp_path / "made", b"weights")
    former, latest = (next(s.id for s in lake.read(Snapshot) if s.rows_sha256 == n and s.domain == "lib") for n in "12")
    first = store.publish(folder, about("one", former))
    second = store.publish(folder, about("two", latest, first.id))
    store.publish(folder, about("three", latest))
    lake.append([first, second])
    (home / "output.py").write_text(FORMER.code)
    attribute(home / "output.py", "", 5, as_json=True)
    assert json.loads(capsys.readouterr().out)["longest"] == 0, "no longer in the latest snapshot"
    pulled = store.pull("lib@v1", tmp_path / "pulled").path
    for reference, rows in ((str(pulled), 1), ("lib@v1", 1), ("lib@v2", 3)):
        attribute(home / "output.py", "", 5, as_json=True, adapter=reference)
        found = json.loads(capsys.readouterr().out)
        assert (found["rows"], found["nearest"][0]["row"]) == (rows, ROWS["former"].id)
    for adapter, domain, words in (
        ("lib@v3", "", "This lake doesn't know lib v3"),
        ("lib@v9", "", "No adapter 'lib@v9'"),
        ("lib@v1", "lib", "not both"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            attribute(home / "output.py", domain, 5, as_json=True, adapter=adapter)


@pytest.mark.parametrize("name", ["held out", "former"])
def test_what_is_not_trained_on_now_is_attributed_to_nobody(
    name: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held-out rows, and those of an earlier snapshot, taught the model nothing."""
    text = {"held out": HELD, "former": FORMER}[name].code
    assert told(home, text, capsys) == {"rows": 3, "longest": 0, "copied": False, "nearest": []}


def test_a_person_reads_what_is_alike(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens, lines, names, row, page and licence, and whether it counts as a copy."""
    (home / "output.py").write_text("# mine\n" + CODE.replace("box", "crate"))
    attribute(home / "output.py", str(home / "lib.toml"), 5, as_json=False)
    printed = capsys.readouterr().out
    for part in ("(lines 2 to 7)", "with other names: box as crate", "page: pypi://lib/1/a.py", "licence: MIT"):
        assert part in printed
    assert "No copy at length" in printed
    (home / "output.py").write_text("print('hello')\n")
    attribute(home / "output.py", "", 5, as_json=False)
    assert capsys.readouterr().out.startswith("None of 3 training rows shares a run")


def test_the_command_reads_standard_input(home: Path) -> None:
    """`driftune attribute -` answers of what it is given there."""
    command = [sys.executable, "-m", "flows.cli", "attribute", "-", "--json"]
    done = subprocess.run(command, input=LONG, cwd=ROOT, env=environment(home), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["copied"] is True


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "Can't read the file .*No such file"),
        (b"", "Nothing to attribute: the file .* is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
    ],
)
def test_bad_input_is_one_line(data: bytes | None, said: str, home: Path) -> None:
    """A file that isn't there, is empty or no text is refused with what to give."""
    if data is not None:
        (home / "bad").write_bytes(data)
    with pytest.raises(ConfigurationError, match=said):
        attribute(home / "bad", "", 5, as_json=False)


def test_a_folder_and_a_lake_without_a_snapshot_are_refused(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is no output; without a snapshot the line says what to run."""
    with pytest.raises(ConfigurationError, match="Is a directory"):
        attribute(home, "", 5, as_json=False)
    (home / "output.py").write_text(CODE)
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(ConfigurationError, match="No snapshot yet: run driftune run lib first"):
        attribute(home / "output.py", str(home / "lib.toml"), 5, as_json=False)
    with pytest.raises(ConfigurationError, match="No snapshot yet: run driftune run DOMAIN first"):
        attribute(home / "output.py", "", 5, as_json=False)
