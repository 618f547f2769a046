"""The functions and methods that check something, of numpy, pandas and unittest, and the comparison that each makes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from validators.execution import comparing, frames


@dataclass(frozen=True)
class Form:
    """A function that compares two values: by what, which options it takes, and which of them say nothing."""

    compare: Callable[..., bool]
    options: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ("err_msg", "verbose", "obj", "msg")


CLOSE = ("rtol", "atol", "equal_nan")
_FRAMES = ("check_dtype", "check_names", "check_exact", "rtol", "atol")
LIBRARY: dict[str, Form] = {
    "numpy.array_equal": Form(comparing.arrays_equal, ("equal_nan",)),
    "numpy.allclose": Form(comparing.close, CLOSE, CLOSE),
    "numpy.isclose": Form(comparing.is_close, CLOSE, CLOSE),
}
"""Functions whose value is a truth."""

STATEMENTS: dict[str, Form] = {
    "numpy.testing.assert_equal": Form(comparing.equal, ("strict",)),
    "numpy.testing.assert_array_equal": Form(comparing.array_equal, ("strict",)),
    "numpy.testing.assert_allclose": Form(comparing.allclose, CLOSE, CLOSE),
    "numpy.testing.assert_almost_equal": Form(comparing.almost_equal, ("decimal",), ("decimal",)),
    "numpy.testing.assert_array_almost_equal": Form(comparing.array_almost_equal, ("decimal",), ("decimal",)),
    "pandas.testing.assert_frame_equal": Form(frames.frame_equal, _FRAMES),
    "pandas.testing.assert_series_equal": Form(frames.series_equal, _FRAMES),
    "pandas.testing.assert_index_equal": Form(frames.index_equal, ("check_names", "check_exact", "rtol", "atol")),
}
"""Functions that raise where they don't hold."""

ALMOST = ("assertAlmostEqual", "assertNotAlmostEqual")
UNITTEST: dict[str, tuple[Callable[[], ast.cmpop], int]] = {
    "assertEqual": (ast.Eq, 2), "assertEquals": (ast.Eq, 2), "assertNotEqual": (ast.NotEq, 2),
    "assertIs": (ast.Is, 2), "assertIsNot": (ast.IsNot, 2), "assertIsNone": (ast.Is, 1),
    "assertIsNotNone": (ast.IsNot, 1), "assertIn": (ast.In, 2), "assertNotIn": (ast.NotIn, 2),
    "assertGreater": (ast.Gt, 2), "assertGreaterEqual": (ast.GtE, 2), "assertLess": (ast.Lt, 2),
    "assertLessEqual": (ast.LtE, 2), "assertListEqual": (ast.Eq, 2), "assertTupleEqual": (ast.Eq, 2),
    "assertDictEqual": (ast.Eq, 2), "assertSetEqual": (ast.Eq, 2), "assertMultiLineEqual": (ast.Eq, 2),
    "assertTrue": (ast.Eq, 1), "assertFalse": (ast.Eq, 1), "assertIsInstance": (ast.Eq, 2),
    "assertNotIsInstance": (ast.Eq, 2), "assertCountEqual": (ast.Eq, 2), "assertRegex": (ast.Eq, 2),
    "assertAlmostEqual": (ast.Eq, 2), "assertNotAlmostEqual": (ast.NotEq, 2),
}  # fmt: skip
"""Methods of TestCase: the comparison that they make, and of how many arguments."""
