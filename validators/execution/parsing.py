"""Reading Python in several threads.

Some releases of CPython 3.11 and 3.12 (3.11.7 is one) keep one count of the parser's depth for all threads (gh-106905):
two that parse at once can get `SystemError: AST constructor recursion depth mismatch`, or a RecursionError for no
reason, which would make the same program's proof another one now and then.
"""

from __future__ import annotations

import ast
import threading

TRIES = 5

_alone = threading.Lock()


def parse(source: str) -> ast.Module:
    """As `ast.parse`, one thread at a time; tried again where a thread that parses without this was in the way."""
    with _alone:
        for _ in range(TRIES - 1):
            try:
                return ast.parse(source)
            except SystemError:
                continue
        return ast.parse(source)
