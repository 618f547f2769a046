"""The writers by name: what an LLM can be had write."""

from __future__ import annotations

from collections.abc import Mapping

from synth.written.dialogue import Writer

WRITERS: Mapping[str, Writer] = {}
"""Name, as `[llm] writers` has it -> the writer."""
