"""Records: identity, digests, and what every table can be counted on for."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.identity import canonical, sha256_of, work_key
from registry.records import RECORDS, Example, Page, Program, Record, Release, Symbol, identity_columns, stable_columns

PROGRAM = Program(code="r = 1\n", test="assert r == 1\n")
SYMBOL = Symbol(release="r", path="lib.f", kind="function", doc="Old.")


def test_ids_are_pinned() -> None:
    """Ids never change between versions: all that was written refers to them."""
    release = Release(library="networkx", version="3.6.1", artifact_sha256="00")
    assert release.id == "5dadbba513261356c57a6bbf3113455d1da58d81764de98c2684b297ac5e7cff"
    assert PROGRAM.id == "673aadf4ac4390ed61bdebc72ec2c4a0ea710cc626fc1f34eb93468531c01235"


def test_identity_is_hash_of_the_identity_fields_only() -> None:
    """A Symbol keeps its id when its docstring changes; its digest changes."""
    changed = dataclasses.replace(SYMBOL, doc="New.")
    assert (changed.id == SYMBOL.id, changed.digest == SYMBOL.digest) == (True, False)
    assert dataclasses.replace(SYMBOL, path="lib.g").id != SYMBOL.id


def test_times_and_durations_are_in_neither() -> None:
    """Volatile columns change neither id nor digest: "the same lake" does not depend on when it was made."""
    page = Page(release="r", url="u", content_hash="h", kind="guide", path="p")
    later = dataclasses.replace(page, fetched_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), etag="x")
    assert (later.id, later.digest) == (page.id, page.digest)


def test_column_that_came_later_changes_no_digest_where_it_says_nothing() -> None:
    """A page without injections has the digest that it had before there was the column; with some it has another."""
    page = Page(release="r", url="u", content_hash="h", kind="guide", path="p")
    assert page.digest == "23488a9476dbbc6638c16f9aa75b1d2eb12cde4be2193ba16bda20cfc7b713fc"
    assert dataclasses.replace(page, injections=[{"rule": "turn", "text": "x"}]).digest != page.digest


def test_records_of_two_tables_never_share_an_id() -> None:
    """The table's name is part of the hash."""
    assert len({sha256_of([r.table, {}]) for r in RECORDS}) == len(RECORDS)
    assert len({r.table for r in RECORDS}) == len(RECORDS)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.table)
def test_every_column_is_documented_and_identity_comes_first(record: type[Record]) -> None:
    """Each record names its table, documents each column, and has an identity that its digest covers."""
    fields = dataclasses.fields(record)
    assert record.__doc__
    assert all(f.metadata["doc"] for f in fields)
    identity = identity_columns(record)
    assert identity
    assert tuple(f.name for f in fields)[: len(identity)] == identity
    assert set(identity) <= set(stable_columns(record))
    assert not any(f.metadata["identity"] and f.metadata["volatile"] for f in fields)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.table)
def test_no_identity_holds_a_float_or_a_time(record: type[Record]) -> None:
    """Identity fields are text, whole numbers or JSON: floats and times differ between machines."""
    hints = {f.name: str(f.type) for f in dataclasses.fields(record)}
    assert not [name for name in identity_columns(record) if "float" in hints[name] or "datetime" in hints[name]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), JSON, max_size=4), st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(parts: dict[str, Any], random: Any) -> None:
    """Two examples whose parts hold the same are one, whatever the order in which they were written."""
    names = list(parts)
    random.shuffle(names)

    def example(p: dict[str, Any]) -> Example:
        return Example(
            domain="d", kind="doc", releases=("r",), parts=p, file="f", root="r", generator="g", generator_version="1"
        )

    assert example(parts).id == example({n: parts[n] for n in names}).id


def test_canonical_json_is_rfc_8785() -> None:
    """Keys sorted by UTF-16 code units, no spaces, the shortest escapes: the example of the RFC, and no floats."""
    assert (
        canonical({"€": 1, "\r": 2, "1": [True, None], "😀": "é\n"})
        == '{"\\r":2,"1":[true,null],"€":1,"😀":"é\\n"}'.encode()
    )
    for bad in (1.5, [0.0], {"a": {"b": [1.0]}}, {"€": [2**60, 1.0]}, [2**60, {"€": 1.0}]):
        with pytest.raises(ValueError, match="float"):
            canonical(bad)


def test_work_key_depends_on_each_of_its_inputs() -> None:
    """Inputs and their order, part, parameters, seed and sample: another one is other work."""
    keys = [
        work_key(["a", "b"], "p@1", {"x": 1}),
        work_key(["b", "a"], "p@1", {"x": 1}),
        work_key(["ab"], "p@1", {"x": 1}),
        work_key(["a", "b"], "p@2", {"x": 1}),
        work_key(["a", "b"], "p@1", {"x": 2}),
        work_key(["a", "b"], "p@1", {"x": 1}, seed=1),
        work_key(["a", "b"], "p@1", {"x": 1}, sample=1),
    ]
    assert len(set(keys)) == len(keys)
    assert work_key(["a", "b"], "p@1", {"x": 1}) == keys[0]


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text(
    '\0\x1f\x7f\x80\u2028"\\/\n\uffff😀', max_size=9
)
_LEAVES = st.none() | st.booleans() | st.integers() | _TEXTS | st.text(max_size=5)


@settings(max_examples=300, deadline=None)
@given(st.recursive(_LEAVES, lambda v: st.lists(v) | st.dictionaries(_TEXTS, v) | st.tuples(v, v), max_leaves=12))
def test_canonical_json_is_what_the_library_writes(value: object) -> None:
    """Every id hangs on it: byte for byte that of rfc8785, and an error where that has one."""
    try:
        wanted = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(ValueError):  # whatever the library says
            canonical(value)
    else:
        assert canonical(value) == wanted
