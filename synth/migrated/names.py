"""The names of results in a part of a program."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBERED = ("result", "raised", "warned", "printed")
"""What miners number the results of calls by."""


def renumbered(texts: Sequence[str]) -> list[str]:
    """Texts of one program with its `result2`, `result5` as `result1`, `result2`: one alone is `result`.

    Those before it are gone where only a part of a program is shown.
    """
    found = list(texts)
    for stem in _NUMBERED:
        found = _counted(found, stem)
    return found


def _counted(texts: Sequence[str], stem: str) -> list[str]:
    numbered = re.compile(rf"\b{stem}(\d+)\b")
    numbers = sorted({int(n) for text in texts for n in numbered.findall(text)})
    if not numbers or any(re.search(rf"\b{stem}\b", text) for text in texts):
        return list(texts)
    new = {str(n): "" if len(numbers) == 1 else str(at) for at, n in enumerate(numbers, 1)}
    return [numbered.sub(lambda m: stem + new[m[1]], text) for text in texts]
