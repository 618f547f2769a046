"""Whether what an LLM wrote may be trained on: by its terms, and by the models that a domain forbids."""

from __future__ import annotations

from registry.domain import LlmSpec
from registry.records import Example

TERMS = "terms"
"""The rule for a model whose terms don't let another one be trained on what it says, as far as is known."""

FORBIDDEN = "forbidden-model"
"""The rule for a model that the domain forbids now."""


def refused(example: Example, spec: LlmSpec) -> tuple[str, str] | None:
    """The rule under which a row stays out, and why; None where it may be trained on, as what no LLM wrote.

    Args:
        example: The row.
        spec: The domain's settings of its LLM.
    """
    if not example.written:
        return None
    model = str(example.written.get("model", ""))
    if pattern := spec.forbids(model):
        return FORBIDDEN, f"The domain forbids {model} ({pattern})"
    if not example.written.get("trainable"):
        return TERMS, f"Nobody has said that what {model} says may be trained on: set trainable = true in [llm] if so"
    return None
