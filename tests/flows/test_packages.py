"""Source of packages as general code: what may be trained on, and nothing of what a base mustn't know."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

import pytest

from flows.packages import Barred, collected
from registry.domain import PERMISSIVE
from validators.curation.licences import LicenceGate

LIBRARY = "".join(f"def {name}_of_everything(graph, weight=None, backend=None):\n    pass\n" for name in "abcdefghijkl")
HELD_OUT = LIBRARY.replace("everything", "the_standard_library")
BARRED = Barred(["netlib"], [LIBRARY], [HELD_OUT])
GPL = "# SPDX-License-Identifier: GPL-3.0-only\nx = 1\n"


def dist(folder: Path, name: str, files: Mapping[str, str], licence: str = "MIT", *, wheel: bool = False) -> Path:
    """An installed package, or a wheel of one; what finds packages is told this path."""
    inside = {
        **files,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n"
        + (f"License-Expression: {licence}\n" if licence else ""),
    }
    inside[f"{name}-1.0.dist-info/RECORD"] = "".join(f"{path},,\n" for path in [*inside, "../bin/tool"])
    if wheel:
        path = folder / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in inside.items():
                archive.writestr(file, text)
        return path
    for file, text in inside.items():
        place = folder / name / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder / name


def what_came(*places: Path) -> tuple[list[str], dict[str, str]]:
    """Paths of the files that are taken, and package -> why it isn't."""
    found = [one for place in places for one in distributions(path=[str(place)])]
    files, packages = collected(found, BARRED, LicenceGate(PERMISSIVE), lambda *_: None)
    assert sum(p.files for p in packages) >= len(files)
    return [file.path for file in files], {p.name: p.why for p in packages}


@pytest.mark.parametrize("wheel", [False, True])
def test_source_of_a_permissive_package_is_taken(tmp_path: Path, wheel: bool) -> None:
    """Installed or in a wheel: its modules, but for what is no source, empty, too large, or under another licence."""
    files = {
        "good/__init__.py": "ONE = 1\n", "good/empty.py": "", "good/gpl.py": GPL, "good/data.txt": "x",
        "good/table.py": "x = 0\n" * 40_000, "good/_vendor/cut/LICENSE": "GNU Lesser General Public License version 3",
        "good/_vendor/cut/a.py": "TWO = 2\n", "same.py": "ONE = 1\n",
    }  # fmt: skip
    assert what_came(dist(tmp_path, "good", files, wheel=wheel)) == (["good/good/__init__.py"], {"good": ""})


@pytest.mark.parametrize(("licence", "why"), [("GPL-3.0-only", "GPL-3.0-only is not on"), ("", "No licence was found")])
def test_a_package_under_another_licence_stays_out(tmp_path: Path, licence: str, why: str) -> None:
    """Unknown is not permissive."""
    files, packages = what_came(dist(tmp_path, "other", {"other.py": "x = 1\n"}, licence))
    assert files == []
    assert packages["other"].startswith(why)


def test_what_a_base_must_not_know_stays_out(tmp_path: Path) -> None:
    """The library itself, what ships a copy of it under any name, files that name it, and held-out general code."""
    places = [
        dist(tmp_path, "netlib", {"netlib/__init__.py": "x = 1\n"}),
        dist(tmp_path, "ships", {"ships/_vendor/netlib/a.py": "x = 1\n", "ships/b.py": "x = 2\n"}),
        dist(tmp_path, "renames", {"renames/other.py": f"import os\n{LIBRARY}", "renames/b.py": "x = 3\n"}),
        dist(tmp_path, "uses", {"uses/netlib.py": "import netlib as nl\n", "uses/b.py": "x = 4\n"}),
        dist(tmp_path, "backport", {"backport/a.py": HELD_OUT, "backport/b.py": "netlibrary = 5\n"}),
    ]
    files, packages = what_came(*places)
    assert files == ["backport/backport/b.py", "uses/uses/b.py"]
    assert [name for name, why in packages.items() if why == "It holds a copy of the library"] == [
        "netlib", "ships", "renames",
    ]  # fmt: skip
