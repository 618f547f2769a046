from __future__ import annotations

import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import SourceError
from scrapers.inventory import Inventory, InventoryLimits, Row, objects_of, pages_of, read_inventory

HEAD = b"# Sphinx inventory version 2\n# Project: lib\n# Version: 1.2\n# The remainder is compressed using zlib.\n"
LINES = (
    "lib.C py:class 1 api.html#$ -",
    "lib._impl.C py:class -1 api.html#lib.C -",
    "lib py:module 0 api.html#module-$ -",
    "a name with blanks std:label -1 guide.html#a-name A name",
    "index std:doc -1 index.html Welcome",
    "guide/start std:doc -1 guide/start/ Start",
)


def packed(*lines: str) -> bytes:
    return HEAD + zlib.compress("\n".join([*lines, ""]).encode())


def test_names_lead_to_pages_and_anchors() -> None:
    """A row has its name, role, priority, page and anchor; `$` stands for the name."""
    found = read_inventory(packed(*LINES))
    assert (found.project, found.version, found.unread) == ("lib", "1.2", ())
    assert found.rows[0] == Row("lib.C", "py:class", 1, "api.html", "lib.C")
    assert found.rows[3] == Row("a name with blanks", "std:label", -1, "guide.html", "a-name")
    assert pages_of(found) == ["index.html", "guide/start/"]
    assert dict(objects_of(found)) == {
        "api.html": [
            ["lib.C", "lib.C", "py:class", 1],
            ["lib.C", "lib._impl.C", "py:class", -1],
            ["module-lib", "lib", "py:module", 0],
        ]
    }


def test_inventory_of_the_first_version_is_read() -> None:
    """Sphinx before 1.0 wrote lines of three words, unpacked."""
    data = b"# Sphinx inventory version 1\n# Project: lib\n# Version: 0.9\nlib mod api.html\nlib.f function api.html\n"
    assert [(r.name, r.role, r.anchor) for r in read_inventory(data).rows] == [
        ("lib", "py:module", "module-lib"),
        ("lib.f", "py:function", "lib.f"),
    ]


@pytest.mark.parametrize(
    "uri", ["../../etc/passwd", "/etc/passwd", "http://127.0.0.1/x", "//127.0.0.1/x", "a/%2e%2e/b", "a\\b", "http://[x"]
)
def test_row_that_points_out_of_the_site_is_told_apart(uri: str) -> None:
    """An address that isn't below the site's is no row, and is kept as unread."""
    found = read_inventory(packed(LINES[0], f"evil py:class 1 {uri} -"))
    assert [r.name for r in found.rows] == ["lib.C"]
    assert len(found.unread) == 1


def test_truncated_inventory_is_an_error_with_what_could_be_read() -> None:
    """A file that ends early says how many names it had, and has them."""
    rows = [f"lib.f{i}_{zlib.crc32(str(i).encode())} py:function 1 api.html#$ -" for i in range(5000)]
    whole = packed(*rows)
    with pytest.raises(SourceError, match=r"is cut off: \d+ names could be read") as caught:
        read_inventory(whole[: len(whole) // 2])
    read = caught.value.values["read"]
    assert isinstance(read, Inventory)
    assert 100 < len(read.rows) < 5000
    assert read.rows == read_inventory(whole).rows[: len(read.rows)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "doesn't begin as"),
        (b"<html>404</html>", "doesn't begin as"),
        (HEAD, "is cut off"),
        (HEAD + b"no zlib", "is broken"),
        (HEAD + zlib.compress(b"x" * 5000), "unpacks to more than 4096 bytes"),
        (packed(*["a.b py:class 1 a.html -"] * 20), "has more than 9 rows"),
        (HEAD + bytes(9000), "has 9101 bytes"),
    ],
)
def test_hostile_inventory_is_one_clear_error(data: bytes, message: str) -> None:
    """What is no inventory, a bomb, or larger than the limits ends as the source's error."""
    with pytest.raises(SourceError, match=message):
        read_inventory(data, InventoryLimits(packed=8192, unpacked=4096, rows=9))


def test_hostile_lines_take_no_time() -> None:
    """Lines made for regular expressions that try again and again are read as fast as others."""
    lines = [" " * 3900 + "x", "a " * 1900, "a  " * 1300, "x:y " * 900, "py:" * 1000, "z" * 1_000_000] * 20
    since = time.process_time()
    assert len(read_inventory(packed(*lines)).unread) == len(lines)
    assert time.process_time() - since < 2


@pytest.mark.parametrize("unpacked", [bytes(150 << 20), b"x\n" * (20 << 20)], ids=["one line", "short lines"])
def test_a_bomb_needs_no_memory(unpacked: bytes) -> None:
    """What it unpacks to is looked at piece by piece, and never held."""
    data = HEAD + zlib.compress(unpacked)
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"unpacks to more than|has more than"):
            read_inventory(data, InventoryLimits(rows=50_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


_UNPACKED = st.text(max_size=400).map(lambda text: HEAD + zlib.compress(text.encode("utf-8", "replace")))


@settings(max_examples=60)
@given(st.binary(max_size=400) | _UNPACKED)
def test_any_bytes_give_an_inventory_or_the_sources_error(data: bytes) -> None:
    """Nothing else comes out of the reader."""
    try:
        found = read_inventory(data)
    except SourceError:
        return
    assert all(".." not in path.split("/") for path in pages_of(found))
    assert dict(objects_of(found)) is not None
