"""How varied rows are: figures that fall where rows repeat each other, and are compared at one length."""

from __future__ import annotations

import math
import random

from registry.records import Example, Program
from synth.written.diversity import compared, diversity

WORDS = [f"w{n}" for n in range(500)]


def texts(count: int, seed: int = 0) -> list[str]:
    drawn = random.Random(seed)
    return [" ".join(drawn.choices(WORDS, k=40)) for _ in range(count)]


def test_texts_of_their_own_are_as_varied_as_can_be() -> None:
    """Every run is new, the entropy is that of so many, each text is a cluster."""
    found = diversity(texts(50))
    assert (found.texts, found.clusters, found.largest) == (50, 50, 0.02)
    assert found.distinct > 0.99 and abs(found.entropy - math.log2(found.tokens)) < 0.1


def test_texts_that_repeat_one_are_one_cluster() -> None:
    """Forty of fifty differ from one in a word: eleven are left, and the runs tell as well."""
    same = texts(1)[0].split()
    copies = [" ".join([*same[:n], "other", *same[n + 1 :]]) for n in range(40)]
    found = diversity([*copies, *texts(10, seed=1)])
    assert (found.clusters, found.largest) == (11, 0.8)
    assert found.distinct < 0.4 < diversity(texts(50)).distinct


def test_nothing_is_nothing() -> None:
    """No text, and texts without a word."""
    assert diversity([]).texts == 0 and diversity([]).clusters == 0
    assert diversity(["", "\0", "one"]).texts == 3


def row(kind: str, prompt: str, program: Program, *, written: bool) -> Example:
    parts = {"programs": {"answer": program.id}, "prompt": f"{prompt}\n```python\n{program.code}```"}
    said = {"model": "m", "trainable": True, "calls": ["c"]} if written else {}
    return Example(
        domain="lib", kind=kind, releases=("r",), parts=parts, root=prompt, file="", generator="g",
        generator_version="1", written=said,
    )  # fmt: skip


def test_written_rows_are_compared_with_mined_ones_at_one_length() -> None:
    """Prompts and code apart; a program that three rows ask for counts once; as much of either side."""
    mined = [(text, Program(code=f"x = {n}\n", test="")) for n, text in enumerate(texts(30))]
    one = Program(code="y = 1\n", test="")
    rows = [row("test", text, program, written=False) for text, program in mined]
    rows += [row("task", f"please {n} do {words}", one, written=True) for n, words in enumerate(texts(3, seed=2))]
    programs = {p.id: p for p in (one, *(program for _, program in mined))}
    found = compared(rows, programs)
    assert found["prompt"]["mined"].texts == 3 and found["prompt"]["written"].texts == 3
    assert found["code"]["written"].texts == 1 and found["code"]["mined"].texts == 1
    assert abs(found["prompt"]["written"].tokens - found["prompt"]["mined"].tokens) <= 2 * 3
    assert found["code"]["mined"].tokens == found["code"]["written"].tokens
    assert compared(reversed(rows), programs) == found
