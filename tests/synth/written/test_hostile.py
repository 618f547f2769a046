"""Attacks on the sandbox are known from their text, honest programs aren't taken for any."""

from __future__ import annotations

import ast

import pytest

from synth.written.hostile import attack_in
from validators.execution.conformance import ATTACKS

HONEST = (
    "import os\nresult = os.path.join('a', 'b')\n",
    "import sys\nresult = sys.maxsize > 2\n",
    "import lib\n\nlib.config.backends = ['a']\nlib.limit = 3\n",
    "import json\nresult = json.dumps({'a': 1})\n",
    "import math\nfrom collections import Counter\nresult = Counter('aab')\n",
    "class Item:\n    n = 1\n\n    def __eq__(self, other):\n        return self.n == other.n\n",
    "try:\n    int('x')\nexcept ValueError as error:\n    result = str(error)\n",
    "text = 'see /proc for more, or call exit'\n",
    "def way(start, exit):\n    return [start, exit]\n",
    "import threading\nlock = threading.Lock()\n",
)
UNSEEN = frozenset({
    "colliding_values", "environment_poisoned", "exception_odd", "exception_without_end", "host_files_read",
    "memory_hog", "message_that_stalls_a_pattern", "output_without_end", "parser_crushed", "result_heavy",
    "thread_bomb", "value_gigantic", "values_change",
})  # fmt: skip
"""Attacks that look like any other program: they take time or memory, or give odd values back."""


def test_attacks_of_the_conformance_suite_are_seen_before_they_run() -> None:
    """All but those that only take much, or give odd values back: the wall and the checks are there for these."""
    texts = {path.stem: path.read_text() for path in ATTACKS.glob("*.py")}
    assert len(texts) > 100
    assert {name for name, text in texts.items() if not attack_in(ast.parse(text))} <= UNSEEN


@pytest.mark.parametrize("code", HONEST)
def test_honest_programs_are_no_attacks(code: str) -> None:
    """Using the standard library, comparing, and mentioning things is honest."""
    assert attack_in(ast.parse(code)) == ""


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos._exit(0)\n",
        "from sys import exit\nexit(0)\n",
        "raise SystemExit\n",
        "import json\njson.dumps = lambda value: ''\n",
        "import math as m\nm.sqrt = len\n",
        "open('/proc/self/mem')\n",
        "class Any:\n    def __eq__(self, other):\n        return True\n",
        "x = (1).__class__.__base__.__subclasses__()\n",
    ],
)
def test_forms_of_attack_are_seen(code: str) -> None:
    """Ending the process, replacing a module's function, looking into frames, agreeing with everything."""
    assert attack_in(ast.parse(code))
