"""Writing with feedback: what failed is shown, what passed is left alone, and there is an end to it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from finetune.repair import Turn, feedback, repair, whole


def test_only_what_failed_is_written_again() -> None:
    """Each turn asks for those that failed before, up to the last round."""
    asked: list[dict[str, str]] = []
    passes = {"one": 0, "two": 1, "never": 9}

    def attempt(shown: Mapping[str, str], number: int) -> dict[str, Turn]:
        asked.append(dict(shown))
        assert number == len(asked) - 1
        return {n: Turn(f"{n}{number}", "passed" if number >= passes[n] else "failed", "so") for n in shown}

    turns = repair({name: f"def {name}():\n" for name in passes}, attempt, 3)
    assert [sorted(shown) for shown in asked] == [["never", "one", "two"], ["never", "two"], ["never"]]
    assert {n: [t.outcome for t in found] for n, found in turns.items()} == {
        "one": ["passed"], "two": ["failed", "passed"], "never": ["failed"] * 3,
    }  # fmt: skip
    assert asked[2]["never"] == feedback("def never():\n", Turn("never1", "failed", "so"))


def test_what_could_not_be_run_is_not_corrected() -> None:
    """A program without a verdict is not wrong, and nothing is said against it."""
    turns = repair({"a": "x"}, lambda shown, number: {n: Turn("x", "unavailable") for n in shown}, 5)
    assert [t.outcome for t in turns["a"]] == ["unavailable"]
    assert repair({}, lambda shown, number: {}, 5) == {}


def test_feedback_shows_program_outcome_and_prompt() -> None:
    """The prompt stands last, so that what is written goes on after it."""
    shown = feedback("def f():\n", Turn("def f():\n    return 1\n\n", "failed", "assert f() == 2"))
    assert shown == ("def f():\n    return 1\n\n# This is wrong: failed: assert f() == 2\n# Corrected:\n\ndef f():\n")
    assert "# This is wrong: timeout: timeout\n" in feedback("p", Turn("c", "timeout"))


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("x = 1\ndef f():\n    return 1\n", "x = 1\ndef f():\n    return 1\n"),
        ("x = 1\n\ndef f():\n    y = (1,\n", "x = 1\n\n"),
        ("x = [\n    1,\n]\ny = [\n    2,\n", "x = [\n    1,\n]\n"),
        ("def f():\n    return (1,", "def f():\n    return (1,"),
        ("# What is asked\n\ndef f(", "# What is asked\n\ndef f("),
        ("x = = 1\ny = 2\nz = (", "x = = 1\ny = 2\nz = ("),
        ("x = 1\nif x:\n    y = 1\nelse:\n    y = (", "x = 1\n"),
        ("x = 1\ntry:\n    y = 1\nexcept E:\n    y = 2\nfinally:\n    y = [\n", "x = 1\n"),
        ("x = 1\n@a\n@b\ndef f(", "x = 1\n"),
        ("x = 1\nelsewhere = (", "x = 1\n"),
        ("", ""),
    ],
)
def test_a_statement_that_was_cut_off_goes(code: str, left: str) -> None:
    """Only the last one of the top level; an error elsewhere stays, and so does a program of one statement."""
    assert whole(code) == left
