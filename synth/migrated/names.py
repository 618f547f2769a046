"""The names of results in a part of a program."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBERED = re.compile(r"\bresult(\d+)\b")
_PLAIN = re.compile(r"\bresult\b")


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
