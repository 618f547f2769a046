"""A value that fits a JSON schema, where no template knows better."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

DEPTH = 16
"""Schemas within each other that are followed."""

_PLAIN = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def instance(schema: Any, draw: random.Random, root: Mapping[str, Any] | None = None, left: int = DEPTH) -> Any:
    """A small value of a schema, of what structured outputs allow: types, properties, items, enum, const, anyOf, $ref.

    Args:
        schema: The schema.
        draw: Of its choices.
        root: The schema that holds it, for references.
        left: Depth that may follow.
    """
    if not isinstance(schema, Mapping) or not left:
        return None
    root = schema if root is None else root
    if "const" in schema:
        return schema["const"]
    if isinstance(choices := schema.get("enum"), list) and choices:
        return draw.choice(choices)
    if isinstance(schema.get("$ref"), str):
        return instance(_referred(schema["$ref"], root), draw, root, left - 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(name), list) and schema[name]:
            return instance(schema[name][0], draw, root, left - 1)
    return _of_type(schema, draw, root, left)


def _of_type(schema: Mapping[str, Any], draw: random.Random, root: Mapping[str, Any], left: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        fields = schema.get("properties", {})
        wanted = [name for name in fields if name in schema.get("required", fields)]
        return {name: instance(fields[name], draw, root, left - 1) for name in wanted}
    if kind == "array":
        return [instance(schema.get("items", {}), draw, root, left - 1) for _ in range(schema.get("minItems", 1))]
    if kind in ("integer", "number") and "minimum" in schema:
        return schema["minimum"]
    if kind == "string":
        return "text".ljust(min(schema.get("minLength", 0), 10_000), ".")
    return _PLAIN.get(str(kind))


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    at: Any = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        at = at.get(name) if isinstance(at, Mapping) and name else at
    return at
