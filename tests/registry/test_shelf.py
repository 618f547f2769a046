"""Shelves: a mapping on disk, in the order of its names."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.parcels import SIZE, packed, unpacked
from registry.shelf import AT_ONCE, Shelf


def test_a_shelf_is_a_mapping_in_the_order_of_its_names(tmp_path: Path) -> None:
    """What is put onto it is there, of two values of a name the first, unless the later one is to stand over it."""
    shelf: Shelf[int] = Shelf(tmp_path / "shelves")
    shelf.put([("b", 1), ("é", 2), ("a", 3), ("b", 4)])
    assert dict(shelf) == {"a": 3, "b": 1, "é": 2}
    assert [*shelf] == ["a", "b", "é"]
    assert [*shelf.values()] == [3, 1, 2]
    shelf.put([("b", 5)], over=True)
    assert shelf.some(["b", "a", "none"]) == {"b": 5, "a": 3}
    assert "none" not in shelf
    with pytest.raises(KeyError, match="none"):
        shelf["none"]


def test_a_shelf_leaves_no_file_behind(tmp_path: Path) -> None:
    """Its file has no name, so that a process which is killed leaves nothing."""
    shelf: Shelf[str] = Shelf(tmp_path / "shelves")
    shelf.put((str(n), "x" * 1000) for n in range(10_000))
    assert [*(tmp_path / "shelves").iterdir()] == []
    assert len(shelf) == 10_000


def test_what_is_put_onto_a_shelf_meanwhile_disturbs_nobody(tmp_path: Path) -> None:
    """Who goes through the values while others are put onto it gets each that was there, once."""
    shelf: Shelf[int] = Shelf(tmp_path)
    count = 3 * AT_ONCE
    shelf.put((f"{n:05}", n) for n in range(count))
    seen = []
    for value in shelf.values():
        shelf.put([(f"{value:05}-more", -1)])
        seen.append(value)
    assert [value for value in seen if value >= 0] == [*range(count)]


def test_parcels_hold_what_was_packed() -> None:
    """Records come out as they went in, in order, and are drawn as they are packed."""
    rows = [{"n": n, "text": "é" * n} for n in range(2 * SIZE + 1)]
    parcels = packed(iter(rows))
    assert len(parcels) == 3
    assert [*unpacked(parcels)] == rows
