"""A snapshot is named by its rows and rules alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.records import Example, Snapshot, SnapshotRow
from validators.snapshot import freeze


def example(number: int) -> Example:
    return Example(
        domain="d", kind=("doc", "test")[number % 2], releases=("n",), parts={"programs": {}, "n": number}, file="f",
        root="r", generator="g", generator_version="1", licence=("MIT", "BSD-3-Clause")[number % 2],
    )  # fmt: skip


EXAMPLES = {e.id: e for e in map(example, range(12))}


@given(st.permutations(sorted(EXAMPLES)))
def test_order_of_rows_does_not_matter(names: list[str]) -> None:
    """The same rows in any order are the same snapshot, digest and row for row."""
    one = list(freeze("d", dict.fromkeys(names, "train"), EXAMPLES, {"salt": "s"}))
    two = list(freeze("d", dict.fromkeys(sorted(names), "train"), EXAMPLES, {"salt": "s"}))
    assert [r.digest for r in one] == [r.digest for r in two]


def test_any_difference_is_another_snapshot() -> None:
    """A row more, another split or another rule names another snapshot; another parent does not."""
    names = sorted(EXAMPLES)
    base = dict.fromkeys(names[:6], "train")
    made = [
        freeze("d", base, EXAMPLES, {"salt": "s"}),
        freeze("d", base | {names[6]: "train"}, EXAMPLES, {"salt": "s"}),
        freeze("d", base | {names[0]: "dev"}, EXAMPLES, {"salt": "s"}),
        freeze("d", base, EXAMPLES, {"salt": "t"}),
        freeze("e", base, EXAMPLES, {"salt": "s"}),
    ]
    assert len({next(m).id for m in made}) == len(made)
    assert (
        next(freeze("d", base, EXAMPLES, {"salt": "s"}, "parent")).id
        == next(freeze("d", base, EXAMPLES, {"salt": "s"})).id
    )


def test_counts_and_rows_agree() -> None:
    """Counts by kind and split, and by licence, are those of the rows, which all name the snapshot."""
    splits = {name: ("train", "context")[n % 3 == 0] for n, name in enumerate(sorted(EXAMPLES))}
    snapshot, *rows = list(freeze("d", splits, EXAMPLES, {}))
    assert isinstance(snapshot, Snapshot)
    assert all(isinstance(r, SnapshotRow) and r.snapshot == snapshot.id and splits[r.example] == r.split for r in rows)
    assert len(rows) == len(splits)
    counts = snapshot.counts
    assert isinstance(counts, dict)
    assert sum(n for by_split in counts.values() for n in by_split.values()) == 12
    assert counts["doc"].get("train", 0) == sum(
        1 for name, split in splits.items() if split == "train" and EXAMPLES[name].kind == "doc"
    )
    assert snapshot.licences == {"BSD-3-Clause": 6, "MIT": 6}
