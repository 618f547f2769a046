"""Says what an installed library has: run by another Python, in the environment of the version that is asked about.

Reads JSON lines `{"path", "keywords"?, "code"?}` from standard input and writes one line for each: whether the path is
found, its parameters as `inspect` gives them, which keywords a call takes, and what the code's `result` is.
Standard library only, and nothing of driftune is imported here.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import os
import re
import sys
import warnings
from typing import Any

SHORT = {"networkx": "nx", "polars": "pl", "pandas": "pd", "numpy": "np"}
"""What code that is to be run calls a library."""


class NotFoundError(Exception):
    """There is no such path; `blocked` where a module of it could not be imported for want of something else."""

    def __init__(self, blocked: bool) -> None:
        super().__init__()
        self.blocked = blocked


def find(path: str) -> Any:
    """The object of a dotted path; the longest part that can be imported goes first."""
    parts, blocked = path.split("."), False
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            blocked |= not name.startswith(error.name or "?") and "is not a package" not in str(error)
            continue
        except Exception:
            blocked = True
            continue
        try:
            for attribute in parts[end:]:
                found = getattr(found, attribute)
        except Exception as error:
            raise NotFoundError(blocked) from error
        return found
    raise NotFoundError(blocked)


def defined(path: str, found: Any) -> str:
    """Where an object is defined: of a member of a class, the path below the class that has it itself."""
    owner_path, _, name = path.rpartition(".")
    try:
        owner = find(owner_path)
    except (NotFoundError, ValueError):
        return path
    if not isinstance(owner, type):
        name = getattr(found, "__qualname__", "")
        return f"{found.__module__}.{name}" if isinstance(name, str) and name else path
    having = next((c for c in owner.__mro__ if name in vars(c)), owner)
    return f"{having.__module__}.{having.__qualname__}.{name}"


def raw(found: Any, *, beneath: bool = False) -> list[inspect.Parameter] | None:
    """What a call takes, None where `inspect` can't say; `beneath` asks the function below its decorators.

    A decorator may state another signature than what a call gets through with: one that warns of positional arguments
    says that there are none.
    """
    try:
        if beneath:
            found = found.__init__ if isinstance(found, type) and "__init__" in vars(found) else found
            found = inspect.unwrap(found)
            stated = vars(found).get("__signature__") if hasattr(found, "__dict__") else None
            if stated is not None:
                return None
        return list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return None


def parameters(found: Any, *, beneath: bool = False) -> list[list[str | None]] | None:
    """`[[name, kind, default]]` without a leading self."""
    listed = raw(found, beneath=beneath)
    if listed is None:
        return None
    rows = [[p.name, p.kind.description, None if p.default is p.empty else short(p.default)] for p in listed]
    return rows[1:] if rows and rows[0][0] in {"self", "cls"} else rows


def short(value: Any) -> str:
    """The value's text without addresses."""
    try:
        text = repr(value)
    except Exception:
        text = type(value).__name__
    return text.split(" at 0x")[0][:200]


def takes(found: Any, keyword: str, filler: Any) -> bool:
    """Whether a call takes the keyword: it is listed, or a call with all that is required isn't refused for it."""
    listed = raw(found) or []
    if any(p.name == keyword for p in listed):
        return True
    wanted = [p for p in listed if p.default is p.empty and p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    try:
        found(*[filler] * len(wanted), **{keyword: None})
    except TypeError as error:
        refused = re.search(r"unexpected keyword|invalid keyword|takes no keyword", str(error))
        return not refused and "Removed" not in type(error).__name__
    except Exception:
        return True
    return True


def outcome(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """What `result` is after the code ran, or which exception ended it; the warnings that came."""
    space = dict(names)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(code, space)  # the code stands in a truth file of this repository
            said = short(space.get("result"))
        except Exception as error:
            said = type(error).__name__
    kinds = sorted({w.category.__name__ for w in caught} - {"ResourceWarning", "ImportWarning"})
    return {"said": said, "warned": kinds}


def answer(question: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question."""
    path = question["path"]
    told: dict[str, Any] = {"path": path}
    try:
        found = find(path)
    except NotFoundError as error:
        return told | {"found": False, "blocked": error.blocked}
    told |= {
        "found": True,
        "defined": defined(path, found),
        "parameters": parameters(found) if callable(found) else None,
    }
    told["beneath"] = parameters(found, beneath=True) if callable(found) else None
    told["deprecated"] = "deprecat" in str(getattr(found, "__doc__", "")).lower() or hasattr(found, "__deprecated__")
    filler = names["nx"].Graph() if "nx" in names else None  # functions of networkx look at the graph first
    told["takes"] = [k for k in question.get("keywords", ()) if takes(found, k, filler)]
    return told | (outcome(question["code"], names) if question.get("code") else {})


def main() -> None:
    """Answers every line of standard input; what a library prints is lost."""
    out = os.fdopen(os.dup(1), "w")
    sys.stdout = sys.stderr = io.StringIO()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    names = {}
    for library, name in SHORT.items():
        try:
            names[name] = importlib.import_module(library)
        except ImportError:
            continue
    for line in sys.stdin:
        out.write(json.dumps(answer(json.loads(line), names)) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
