"""Names that are taken for others: what parameters are called elsewhere, functions that sound real."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

from synth.vocabulary import confusable, inventions

_SAME = (
    ("source", "start", "root"),
    ("target", "end", "sink"),
    ("seed", "random_state", "rng"),
    ("weight", "weights", "edge_weight"),
    ("nodes", "nodelist", "nbunch"),
    ("edges", "edgelist", "ebunch"),
    ("n", "num_nodes"),
    ("p", "prob", "probability"),
    ("k", "num_neighbors"),
    ("cutoff", "max_depth", "depth_limit"),
    ("create_using", "graph_type"),
    ("max_iter", "max_iterations"),
    ("max_iter", "n_iter"),
    ("tol", "tolerance", "eps"),
    ("attr", "attribute"),
    ("capacity", "capacities"),
    ("labels", "label"),
    ("columns", "cols"),
    ("axis", "dim"),
    ("by", "key", "on"),
    ("func", "function", "fn"),
    ("dtype", "type"),
    ("value", "fill_value"),
    ("names", "columns"),
    ("values", "vals"),
    ("window", "window_size"),
    ("period", "periods"),
    ("index", "idx"),
    ("separator", "sep", "delimiter"),
    ("pattern", "pat", "regex"),
    ("every", "freq", "interval"),
)
"""What one thing is called by several libraries and functions."""

_VERBS = frozenset({"is", "has", "all", "to", "from", "read", "write", "get", "add", "set", "remove"})


_SORTS = frozenset({
    "center", "centrality", "coefficient", "components", "constant", "data", "distance", "from", "index", "metric",
    "number", "periphery", "product", "time",
})  # fmt: skip
"""Words for a sort of thing: they stand last."""

_UNCUT = ("hes", "ices", "ies", "ses", "ss", "us", "xes")
"""Ends of names that are not singular without their last letter."""


_NUMBERED = re.compile(r"\bresult(\d+)\b")
_PLAIN = re.compile(r"\bresult\b")


def other_keywords(name: str, known: Iterable[str], own: Iterable[str]) -> list[str]:
    """What a parameter is taken to be called, sorted; none of its function's own.

    Args:
        name: The parameter.
        known: Parameters of other functions; those a word longer or shorter count.
        own: Parameters of its function.
    """
    same = {n for group in _SAME if name in group for n in group}
    alike = {n for n in known if _alike(name, n)}
    return sorted((same | alike) - {*own, name})


def _alike(one: str, other: str) -> bool:
    """Whether one parameter's name is taken for another: a word more before it, or another number."""
    if min(len(one), len(other)) < 5 or one == other:
        return False
    if one + "s" == other or other + "s" == one:
        return True
    a, b = one.split("_"), other.split("_")
    more = abs(len(a) - len(b)) == 1 and a[-1] == b[-1] and (set(a) < set(b) or set(b) < set(a))
    return more and difflib.SequenceMatcher(None, one, other).ratio() >= 0.6


def invented_names(name: str, siblings: Sequence[str]) -> list[str]:
    """Names that read as if they existed, sorted; none where a name leaves nothing to mistake.

    Args:
        name: The function's.
        siblings: Names of the functions beside it.
    """
    return sorted({*_turned(name), *_blends(name, siblings)})


def _turned(name: str) -> Iterator[str]:
    """The words of a name in another order or number, or without a last one that says little."""
    words = name.split("_")
    turns = name.endswith("s") and len(words) == 2 and all(len(w) > 3 for w in words)
    if words[0] in ("find", "get", "compute", "generate") and len(words) > 2:
        yield "_".join(words[1:])
    if len(words) > 1 and words[0] not in _VERBS and words[-1] in ("edge", "node", "path", "tree"):
        yield name + "s"
    if words[-1] in _SORTS - {"data", "from"} and words[0] not in _VERBS:
        yield f"compute_{name}"
    for made in inventions(name):
        if sorted(made.split("_")) == sorted(words):
            if turns and not {words[0], words[1]} & _SORTS:
                yield made
        elif (
            (name == made + "s" and not name.endswith(_UNCUT))
            or name.startswith(made + "_")
            or (made == f"get_{name}" and len(words) <= 2 and words[-1] not in _SORTS)
            or (made == f"create_{name}" and len(words) <= 3)
        ):
            yield made


def _blends(name: str, siblings: Sequence[str]) -> Iterator[str]:
    """A name with the last word of one that begins alike."""
    words = name.split("_")
    for other in siblings:
        theirs = other.split("_")
        begins = words[0] == theirs[0] and words[0] not in _VERBS
        if begins and len(words) > 2 and len(theirs) > 1 and _other(theirs[-1], words):
            yield "_".join([*words[:-1], theirs[-1]])


def _other(word: str, words: Sequence[str]) -> bool:
    """Whether a word says something else than a name's last one, and is none of its words."""
    return word not in words and len(word) > 3 and word[:4] != words[-1][:4]


def mixed_up(name: str, siblings: Sequence[str]) -> list[str]:
    """Which of the functions beside one it is taken for."""
    return [other for other in siblings if not other.startswith("_") and confusable(name, other)]


def renumbered(texts: Sequence[str]) -> list[str]:
    """Texts of one program with its `result2`, `result5` as `result1`, `result2`: one alone is `result`.

    Those before it are gone where only a part of a program is shown.
    """
    numbers = sorted({int(n) for text in texts for n in _NUMBERED.findall(text)})
    if not numbers or any(_PLAIN.search(text) for text in texts):
        return list(texts)
    alone = len(numbers) == 1
    new = {str(n): "" if alone else str(at) for at, n in enumerate(numbers, 1)}
    return [_NUMBERED.sub(lambda m: "result" + new[m[1]], text) for text in texts]
