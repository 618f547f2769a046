"""Templated answers: what the stub says to a request, made from the excerpts in it and nothing else.

What is chosen hangs on the seed and on the writer's own words: what else an excerpt says changes nothing.
"""

from __future__ import annotations

import json
import random

from flows.stub.instances import instance
from flows.stub.prompts import Prompt, block, prompt_of
from flows.stub.shown import best
from flows.stub.templates import TEMPLATES
from flows.stub.wire import Asked


def answer_to(asked: Asked, seed: int) -> str:
    """The answer to a request; text or JSON, as it was asked for."""
    prompt = prompt_of(asked)
    draw = random.Random(f"{seed}/{prompt.step}/{prompt.own}")
    template = TEMPLATES.get(prompt.step)
    said = template(prompt, draw) if template is not None else None
    if isinstance(said, dict):
        return json.dumps(said, ensure_ascii=False)
    if asked.form == "json_schema":
        return json.dumps(instance(asked.schema or {}, draw))
    text = said if said is not None else _plainly(prompt)
    return json.dumps({"answer": text}) if asked.form == "json_object" else text


def _plainly(prompt: Prompt) -> str:
    """What is said where nobody knows what is asked: the first examples of the excerpts, as a program."""
    shown = best(prompt.texts(), prompt.path)
    if shown is None:
        return "There is nothing to be said about it."
    return f"This shows it:\n\n{block(shown.program(prompt.path))}"
