"""What two installed versions of a library say about a change: of the truth's, and of the finder's.

With `probe.py` and the truth it decides what counts, so it isn't changed together with the finder: `benchmarks.changes`
prints the hash of all three beside its figures.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.competitors import BenchmarkError
from registry.records import Change

PROBE = Path(__file__).with_name("probe.py")
GONE = {"removed", "renamed", "moved"}
VIEWS = ("parameters", "beneath")
Answer = Mapping[str, Any]
"""What `probe.py` says of one path at one version."""


@dataclass(frozen=True)
class Question:
    """What is asked of both versions about a path."""

    path: str
    keywords: tuple[str, ...] = ()
    code: str = ""


def asked(python: Path, questions: Sequence[Question]) -> dict[str, Answer]:
    """The answers of one environment, by path.

    Raises:
        BenchmarkError: The probe ended before it had answered all, or a path is to be called in two ways.
    """
    merged: dict[str, dict[str, Any]] = {}
    for q in questions:
        row = merged.setdefault(q.path, {"path": q.path, "keywords": [], "code": ""})
        row["keywords"] = sorted({*row["keywords"], *q.keywords})
        if q.code and row["code"] not in ("", q.code):
            raise BenchmarkError(f"Two pieces of code for {q.path}: one path, one call")
        row["code"] = row["code"] or q.code
    lines = "\n".join(json.dumps(row) for row in merged.values())
    command = [str(python), "-I", str(PROBE)]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, cwd=python.parent)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(merged):
        raise BenchmarkError(f"{python} answered {len(answers)} of {len(merged)} questions: {done.stderr[-300:]}")
    return {a["path"]: a for a in answers}


def questions_of(change: Change) -> list[Question]:
    """What is to be known to judge a change that the finder reports."""
    detail = change.detail
    keywords = [*detail.get("removed", ()), *detail.get("renamed", ()), *detail.get("renamed", {}).values()]
    paths = [*detail.get("lost", ()), *([change.replacement] if change.replacement else [])]
    return [Question(change.symbol, tuple(keywords)), *(Question(p) for p in paths)]


def verdict(change: Change, old: Mapping[str, Answer], new: Mapping[str, Answer]) -> bool | None:
    """Whether a reported change is there in the installed versions; None where these can't say."""
    before, after = old[change.symbol], new[change.symbol]
    if before.get("blocked") or after.get("blocked"):
        return None
    if change.kind == "added":
        return bool(after["found"] and not before["found"]) if after["found"] else None
    if not before["found"]:
        return None  # an attribute of instances, or a module that needs what isn't installed
    if change.kind in GONE:
        return _gone(change, new)
    if change.kind == "signature":
        return _signature(change.detail, before, after)
    return None


def _gone(change: Change, new: Mapping[str, Answer]) -> bool:
    """Whether the name is gone, and what is said to be the same thing now is there.

    A new name may have been there at old already: libraries keep both for a while.
    """
    lost = change.detail.get("lost")
    away = not any(new[p]["found"] for p in lost) if lost else not new[change.symbol]["found"]
    there = change.kind == "removed" or bool(new[change.replacement or ""]["found"])
    return away and there


def _signature(detail: Mapping[str, Any], before: Answer, after: Answer) -> bool | None:
    """Whether every parameter that the detail names is as it says; without a detail, whether anything differs.

    Both versions are asked for what they state and for the function below its decorators: either may bear it out.
    """
    if before["parameters"] is None or not after["found"] or after["parameters"] is None:
        return None
    views = [(before["parameters"], after["parameters"])]
    if before.get("beneath") and after.get("beneath"):
        views.append((before["beneath"], after["beneath"]))
    return any(_borne_out(detail, before["takes"], *view) for view in views)


def _borne_out(detail: Mapping[str, Any], taken: Any, before: list[Any], after: list[Any]) -> bool:
    if not detail:
        return bool(before != after)
    one, other = ({r[0]: (i, *r) for i, r in enumerate(rows)} for rows in (before, after))
    renamed = detail.get("renamed", {})
    checks = [(n in one or n in taken) and n not in other for n in [*detail.get("removed", ()), *renamed]]
    checks += [n in other for n in renamed.values()]
    checks += [p["name"] in other and p["name"] not in one for p in detail.get("added", ())]
    for column, key in ((3, "defaults"), (2, "kinds"), (0, "positions")):
        for name in detail.get(key, ()):
            source = next((a for a, b in renamed.items() if b == name), name)
            target = renamed.get(name, name)
            checks.append(source in one and target in other and one[source][column] != other[target][column])
    checks += [n in other and other[n][3] is None for n in detail.get("required", ())]
    return all(checks)


def confirmation(entry: Mapping[str, Any], before: Answer, after: Answer) -> tuple[str, str, bool]:
    """What both versions say of an entry of the truth, and whether that is the change that it states."""
    said = [_said(entry, a) for a in (before, after)]
    kind, name = entry["kind"], entry.get("parameter")
    match kind:
        case "removed":
            right = said == ["found", "missing"]
        case "parameter":
            right = said == ["taken", "refused"]
        case "added-parameter":
            right = said == ["not listed", "listed"]
        case "deprecated":
            right = said == ["plain", "deprecated"]
        case "default" | "required" | "keyword-only":
            right = any(_told_of(kind, *(_row(a, view, name) for a in (before, after))) for view in VIEWS)
        case _:
            right = before["found"] and after["found"] and before["said"] != after["said"]
    return said[0], said[1], bool(right)


def _row(answer: Answer, view: str, name: str) -> list[Any] | None:
    return next((r for r in answer.get(view) or [] if r[0] == name), None)


def _told_of(kind: str, one: list[Any] | None, other: list[Any] | None) -> bool:
    if one is None or other is None:
        return False
    if kind == "default":
        return bool(one[2] != other[2])
    if kind == "required":
        return one[2] is not None and other[2] is None
    return one[1] != "keyword-only" and other[1] == "keyword-only"


def _said(entry: Mapping[str, Any], answer: Answer) -> str:
    name = entry.get("parameter")
    if not answer["found"]:
        return "missing"
    row = _row(answer, "parameters", name or "")
    match entry["kind"]:
        case "removed":
            return "found"
        case "parameter":
            return "taken" if name in answer["takes"] else "refused"
        case "added-parameter":
            return "listed" if row else "not listed"
        case "deprecated":
            told = any("Deprecat" in w for w in answer["warned"]) if entry.get("code") else answer["deprecated"]
            return "deprecated" if told else "plain"
        case "behaviour":
            return " ".join([answer["said"], *answer["warned"]])
    return f"{row[1]}, default {row[2]}" if row else "not listed"


def finds(change: Change, entry: Mapping[str, Any]) -> bool:
    """Whether a reported change of the entry's symbol is the one that the entry states."""
    kind, name, detail = entry["kind"], entry.get("parameter"), change.detail
    if kind == "removed":
        return change.kind in GONE
    if kind == "behaviour":
        return change.kind == "behaviour"
    if kind == "deprecated":
        return change.kind == "deprecated" and (name is None or name in detail.get("parameters", ()))
    if change.kind != "signature":
        return False
    part = {
        "parameter": [*detail.get("removed", ()), *detail.get("renamed", ())],
        "added-parameter": [p["name"] for p in detail.get("added", ())],
        "default": detail.get("defaults", ()),
        "required": detail.get("required", ()),
        "keyword-only": detail.get("kinds", ()),
    }[kind]
    return name in part


def names_replacement(change: Change, entry: Mapping[str, Any]) -> bool:
    """Whether a change names one of the replacements that the notes name."""
    told = [change.replacement or ""] if change.kind != "signature" else []
    if name := entry.get("parameter"):
        detail = change.detail
        told += [detail.get("renamed", {}).get(name, ""), detail.get("replacements", {}).get(name, "")]
        told += [change.replacement or ""]
    words = {w for text in told for w in "".join(c if c.isalnum() or c == "_" else " " for c in text).split()}
    return bool(words.intersection(entry["replacement"]))
