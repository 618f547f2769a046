"""Templated answers: what the stub says to a request, made from the excerpts in it and nothing else."""

from __future__ import annotations

import json
import random

from flows.stub.excerpts import excerpts, sessions
from flows.stub.instances import instance
from flows.stub.wire import Asked


def answer_to(asked: Asked, draw: random.Random) -> str:
    """The answer to a request; text or JSON, as it was asked for."""
    if asked.form == "json_schema":
        return json.dumps(instance(asked.schema or {}, draw))
    if asked.form == "json_object":
        return json.dumps({"answer": _plainly(asked)})
    return _plainly(asked)


def _plainly(asked: Asked) -> str:
    """What is said where nobody knows what is asked: the first session of the excerpts, as a program."""
    for excerpt in excerpts(asked.said("user")):
        for session in sessions(excerpt):
            code = "".join(statement.source for statement in session).rstrip()
            return f"This shows it:\n\n```python\n{code}\n```"
    return "There is nothing to be said about it."
