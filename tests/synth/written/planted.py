"""Tests of small functions as people (and models) write them: fifty that say nothing of the function, forty that do."""

from __future__ import annotations

FUNCTIONS = {
    "square": "def square(n: int) -> int:\n    return n * n\n",
    "evens": "def evens(items: list[int]) -> list[int]:\n    return [i for i in items if i % 2 == 0]\n",
    "shout": 'def shout(text: str) -> str:\n    """Say it loudly."""\n    return text.upper() + "!"\n',
    "counts": (
        "def counts(words: list[str]) -> dict[str, int]:\n"
        "    return {w: words.count(w) for w in sorted(set(words))}\n"
    ),
    "is_even": "def is_even(n: int) -> bool:\n    return n % 2 == 0\n",
    "mean": "def mean(values: list[float]) -> float:\n    return sum(values) / len(values) if values else 0.0\n",
    "letters": "def letters(text: str) -> set[str]:\n    return {c for c in text if c.isalpha()}\n",
    "find": (
        "from typing import Optional\n\n\ndef find(items: list[str], start: str) -> Optional[str]:\n"
        "    return next((i for i in items if i.startswith(start)), None)\n"
    ),
    "total": "def total(items):\n    return sum(items)\n",
    "span": "def span(items: list[int]) -> tuple[int, int]:\n    return (min(items or [0]), max(items or [0]))\n",
    "first": (
        "def first(items: list[int]) -> int:\n    if not items:\n        raise ValueError('empty')\n"
        "    return items[0]\n"
    ),
}  # fmt: skip
"""Name -> a right answer."""

VACUOUS = [
    ("square", "assert True\n"),
    ("square", "assert callable(square)\n"),
    ("square", "assert square is not None\n"),
    ("square", "assert square(3) == square(3)\n"),
    ("square", "assert isinstance(square(1), object)\n"),
    ("square", "try:\n    assert square(3) == 9\nexcept Exception:\n    pass\n"),
    ("square", "try:\n    square(3)\nexcept:\n    pass\n"),
    ("square", "assert square(3) is not None\n"),
    ("square", "assert len(str(square(12))) > 0\n"),
    ("square", "for n in []:\n    assert square(n) == n * n\n"),
    ("square", "def check_square(f):\n    assert f(3) == 9\n    assert f(4) == 16\n"),
    ("square", "def test_square():\n    assert square(3) == 9\n\n\ndef test_zero():\n    assert square(0) == 0\n"),
    ("square", "from unittest.mock import Mock\n\nsquare = Mock(return_value=9)\nassert square(3) == 9\n"),
    ("square", "from unittest.mock import create_autospec\n\nsquare = create_autospec(square, return_value=9)\n"
               "assert square(3) == 9\nsquare.assert_called_once_with(3)\n"),
    ("square", "def square(n):\n    return n ** 2\n\n\nassert square(3) == 9\nassert square(4) == 16\n"),
    ("square", "square = lambda n: n * n\nassert square(5) == 25\n"),
    ("square", "assert square(3) == 9 or True\n"),
    ("square", "result = square(3)\nassert result == result\n"),
    ("square", "result = square(3)\nexpected = square(3)\nassert result == expected, 'not the same'\n"),
    ("square", "assert isinstance(square(3), int)\n"),
    ("square", "assert square(3) >= 0\nassert square(-3) >= 0\n"),
    ("square", "assert type(square(2)) == type(square(3))\n"),
    ("square", "assert not square(3) == 10\n"),
    ("square", "assert square(2) != 5\nassert square(3) != 8\n"),
    ("square", "import unittest\n\n\nclass TestSquare(unittest.TestCase):\n    def test_it(self):\n"
               "        self.assertEqual(square(3), 9)\n"),
    ("square", "assert hasattr(square, '__call__')\nassert square.__name__ == 'square'\n"),
    ("square", "print(square(3))\n"),
    ("square", "if square(3) == 9:\n    assert True\n"),
    ("square", "assert (square(n) == n * n for n in range(5))\n"),
    ("square", "assert lambda: square(3) == 9\n"),
    ("square", "import contextlib\n\nwith contextlib.suppress(Exception):\n    assert square(3) == 9\n"),
    ("square", "assert any([True, square(3) == 9])\n"),
    ("square", "assert all(square(n) == n * n for n in range(0))\n"),
    ("square", "import inspect\n\nassert list(inspect.signature(square).parameters) == ['n']\n"),
    ("square", "globals()['square'] = lambda n: n * n\nassert square(3) == 9\n"),
    ("square", "assert abs(square(3) - square(3)) < 1e-9\n"),
    ("square", "assert 3 * 3 == 9\nassert 4 * 4 == 16\n"),
    ("evens", "assert sorted(evens([3, 1, 2])) == sorted(evens([3, 1, 2]))\n"),
    ("evens", "assert isinstance(evens([1, 2]), list)\n"),
    ("evens", "assert len(evens([1, 2, 3])) >= 0\n"),
    ("evens", "assert all(isinstance(n, int) for n in evens([1, 2, 3]))\n"),
    ("evens", "assert set(evens([1, 2, 3])) <= {1, 2, 3}\n"),
    ("evens", "assert evens([2, 4]) == [2, 4]\n"),
    ("evens", "assert evens([]) == []\nassert evens([1]) == []\n"),
    ("shout", "assert shout('a')\nassert len(shout('a')) > 0\n"),
    ("shout", "assert isinstance(shout('hello'), str)\nassert shout.__doc__ is not None\n"),
    ("shout", "assert 'a' in shout('a').lower()\n"),
    ("counts", "found = counts(['a', 'b', 'a'])\nassert isinstance(found, dict)\n"
               "assert all(v > 0 for v in found.values())\n"),
    ("counts", "assert counts([]) == {}\n"),
    ("counts", "import copy\n\nfound = counts(['a'])\nassert copy.deepcopy(found) == found\n"
               "assert found.keys() == found.keys()\n"),
    ("is_even", "assert is_even(2)\nassert is_even(4)\nassert is_even(0)\n"),
    ("is_even", "assert is_even(2) in (True, False)\n"),
    ("is_even", "assert isinstance(is_even(3), bool)\n"),
    ("mean", "assert 0 <= mean([0.2, 0.6]) <= 1\n"),
    ("mean", "import math\n\nassert math.isclose(mean([1.0, 2.0]), mean([2.0, 1.0]))\n"),
    ("mean", "assert mean([2.0, 4.0]) > 0.1\n"),
    ("letters", "assert letters('ab') | letters('ab') == letters('ab')\n"),
    ("letters", "assert len(letters('a1')) == 1\n"),
    ("find", "assert find(['ab'], 'x') is None\nassert find([], 'a') is None\n"),
    ("find", "assert find(['ab', 'cd'], 'a') is None or isinstance(find(['ab', 'cd'], 'a'), str)\n"),
    ("total", "assert total([1, 2, 3]) > 2\n"),
    ("total", "assert isinstance(total([1, 2]), (int, float))\n"),
    ("total", "import json\n\nassert json.loads(json.dumps(total([1, 2]))) == total([1, 2])\n"),
    ("span", "low, high = span([1, 5, 3])\nassert low <= high\n"),
    ("span", "assert len(span([1, 2])) == 2\n"),
    ("span", "assert type(span([3])) is tuple\n"),
    ("first", "try:\n    first([])\n    assert False\nexcept Exception:\n    pass\n"),
    ("first", "try:\n    first([])\n    raised = False\nexcept Exception:\n    raised = True\nassert raised\n"),
]  # fmt: skip
"""(function, test that passes on a right answer, and on one that does nothing of what was asked)."""

HONEST = [
    ("square", "assert square(3) == 9\n"),
    ("square", "assert square(3) == 9\nassert square(0) == 0\nassert square(-2) == 4\n"),
    ("square", "assert [square(n) for n in range(4)] == [0, 1, 4, 9]\n"),
    ("square", "for n, wanted in [(2, 4), (5, 25), (0, 0)]:\n    assert square(n) == wanted\n"),
    ("square", "def check(candidate):\n    assert candidate(3) == 9\n    assert candidate(1) == 1\n\n\n"
               "check(square)\n"),
    ("square", "def check(candidate):\n    assert candidate(3) == 9\n    assert candidate(4) == 16\n"),
    ("square", "def test_square():\n    assert square(7) == 49\n\n\ntest_square()\n"),
    ("square", "assert square(10) - square(9) == 19\n"),
    ("square", "import math\n\nfor n in range(2, 9):\n    assert math.isqrt(square(n)) == n\n"),
    ("square", "assert square(square(2)) == 16\n"),
    ("evens", "assert evens([1, 2, 3, 4]) == [2, 4]\nassert evens([]) == []\n"),
    ("evens", "assert evens([1, 3]) == []\nassert evens([0, 5]) == [0]\nassert evens([2, 4, 5]) == [2, 4]\n"),
    ("evens", "assert len(evens(list(range(10)))) == 5\n"),
    ("evens", "found = evens([5, 6, 7, 8])\nassert all(n % 2 == 0 for n in found) and len(found) == 2\n"),
    ("shout", "assert shout('a') == 'A!'\n"),
    ("shout", "assert shout('') == '!'\nassert shout('Hi') == 'HI!'\n"),
    ("shout", "assert shout('ab').endswith('!')\nassert shout('ab').startswith('AB')\n"),
    ("counts", "assert counts(['a', 'b', 'a']) == {'a': 2, 'b': 1}\nassert counts([]) == {}\n"),
    ("counts", "found = counts(['x', 'y', 'x', 'x'])\nassert found['x'] == 3\nassert found['y'] == 1\n"),
    ("counts", "assert list(counts(['b', 'a'])) == ['a', 'b']\n"),
    ("counts", "assert sum(counts(list('abcab')).values()) == 5\n"),
    ("is_even", "assert is_even(2) is True\nassert is_even(3) is False\n"),
    ("is_even", "assert is_even(0)\nassert not is_even(7)\n"),
    ("is_even", "assert [n for n in range(5) if is_even(n)] == [0, 2, 4]\n"),
    ("mean", "assert mean([1.0, 2.0, 3.0]) == 2.0\n"),
    ("mean", "assert abs(mean([0.1, 0.2]) - 0.15) < 1e-9\nassert mean([]) == 0.0\n"),
    ("mean", "import math\n\nassert math.isclose(mean([2.0, 4.0]), 3.0)\n"),
    ("letters", "assert letters('a1b2') == {'a', 'b'}\n"),
    ("letters", "assert letters('aab') == {'a', 'b'}\nassert letters('12') == set()\n"),
    ("letters", "assert sorted(letters('c-b-a')) == ['a', 'b', 'c']\n"),
    ("find", "assert find(['ab', 'cd'], 'c') == 'cd'\nassert find(['ab'], 'x') is None\n"),
    ("find", "assert find(['one', 'two', 'three'], 't') == 'two'\n"),
    ("total", "assert total([1, 2, 3]) == 6\nassert total([]) == 0\n"),
    ("total", "assert total(range(5)) == 10\n"),
    ("total", "values = [4, 5]\nassert total(values) == 9\nassert values == [4, 5]\n"),
    ("span", "assert span([3, 1, 2]) == (1, 3)\nassert span([]) == (0, 0)\n"),
    ("span", "low, high = span([4, 9, 2])\nassert (low, high) == (2, 9)\n"),
    ("first", "assert first([7, 8]) == 7\n"),
    ("first", "try:\n    first([])\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError('no error')\n"),
    ("first", "assert first([1, 2]) == 1\ntry:\n    first([])\n    assert False\nexcept ValueError as error:\n"
              "    assert str(error) == 'empty'\n"),
    ("first", "assert first([2]) == 2\nassert first([3, 2, 1]) == 3\n"),
]  # fmt: skip
"""(function, test that no stub passes)."""
