"""Answers that have to be JSON of a given schema, from endpoints that hold to it and from those that don't."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

STARTS = 64
"""Places of a text at which JSON may start, at most, that are tried."""


class MalformedError(ValueError):
    """An answer that holds no JSON of the schema; the message says why, in a sentence."""


def told(schema: Mapping[str, Any]) -> str:
    """What is said to an endpoint that takes no schema."""
    shape = json.dumps(dict(schema), ensure_ascii=False)
    return f"Answer with one JSON value that fits this JSON schema, and with nothing else:\n{shape}"


def value_of(text: str, schema: Mapping[str, Any]) -> Any:
    """The first JSON value of a text that fits a schema: the whole text, or one that words or a fence surround.

    Raises:
        MalformedError: There is none.
    """
    wrong = "The answer holds no JSON"
    for value in _values(text):
        why = _misfit(value, json.dumps(dict(schema), sort_keys=True))
        if not why:
            return value
        wrong = f"The answer's JSON doesn't fit its schema: {why}"
    raise MalformedError(wrong)


def _values(text: str) -> Any:
    decoder = json.JSONDecoder(parse_constant=_refused)
    position, tries = 0, 0
    while tries < STARTS:
        starts = [found for found in (text.find(mark, position) for mark in "{[") if found >= 0]
        if not starts:
            break
        tries, position = tries + 1, min(starts)
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
            continue
        yield value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _misfit(value: Any, schema: str) -> str:
    """Why a value doesn't fit; empty where it does."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
        wrong = next(iter(_validator(schema).iter_errors(value)), None)
    except (ValueError, RecursionError):  # half a surrogate pair; nested too deeply
        return "it can't be written as UTF-8, or is nested too deeply"
    return "" if wrong is None else f"{wrong.json_path}: {wrong.message}"[:300]


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))
