"""A small library at two versions whose docs have examples, and a domain over it with everything done but writing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flows.batches import perform
from flows.house import House, open_house
from flows.stages import STAGES
from registry.settings import Settings
from tests.indexed import own_index

_KEPT = '''
def {name}(items):
    """{says}, as it is wanted in the reports of this library, for each of the items in their order.

    >>> from lib import {name}
    >>> {name}([3, 1, 2])
    {first}
    >>> {name}([])
    {empty}

    An example with more items:

    >>> {name}([5, 5, 0, 9])
    {second}
    """
    return {body}
'''
_MOVED = '''
def {name}({parameters}):
    """{says}, as it is wanted in the reports of this library, for each of the items in their order.
    {note}
    >>> from lib import {name}
    >>> {name}([3, 1, 2], {keyword}=3)
    {first}
    >>> {name}([5, 5, 0, 9], {keyword}=4)
    {second}
    """
    return {body}
'''
KEPT = (
    ("ordered", "Return the items from the smallest one to the largest one", "sorted(items)"),
    ("turned", "Return the items from the last one to the first one", "items[::-1]"),
    ("doubled", "Return every item of the list twice", "[i for i in items for _ in range(2)]"),
    ("tallied", "Return how often each of the items comes", "{i: items.count(i) for i in sorted(set(items))}"),
    ("numbered", "Return each item after the number of its place", "list(enumerate(items))"),
    ("squared", "Return the square of every item of the list", "[i * i for i in items]"),
    ("summed", "Return the sums of the items up to each place", "[sum(items[:n + 1]) for n in range(len(items))]"),
    ("paired", "Return each item with the one that follows it", "list(zip(items, items[1:]))"),
    ("distinct", "Return the items without those that came before", "list(dict.fromkeys(items))"),
    ("halved", "Return every other item of the list", "items[::2]"),
    ("largest", "Return the largest item, or zero where there is none", "max(items, default=0)"),
    ("ranked", "Return the place of each item in the sorted list", "[sorted(items).index(i) for i in items]"),
)
"""Functions that are the same in both versions: name, what it does, and how."""

MOVED = (
    ("scaled", "Return every item multiplied by a number", "factor", "scale", "[i * {} for i in items]"),
    ("lifted", "Return every item with a number added to it", "amount", "offset", "[i + {} for i in items]"),
    ("capped", "Return the items that are not over a number", "limit", "most", "[i for i in items if i <= {}]"),
    ("chained", "Return the items again and again, a number of times", "often", "times", "items * {}"),
)
"""Functions whose parameter has another name in the new version."""

_NOTE = """
    .. versionchanged:: 2.0
       The parameter ``{old}`` is now called ``{new}`` and is given by keyword only.
"""
_TESTED = "\n\ndef test_{name}():\n    items = lib.ordered([4, 2, 9])\n    assert lib.{name}(items{more}) == {value}\n"

DOMAIN = """\
[[library]]
name = "lib"
versions = ["1.0", "2.0"]

[[library.source]]
index = "{url}"

[synth]
mutants = 1
sites = 2
fim = 2
edits = 8
locate = 2

[sandbox]
workers = 2
timeout_s = 3
attempts = 1

[guard]
removals = 1.0
"""


def _kept(name: str, says: str, body: str) -> str:
    values = [repr(eval(body, {"items": items})) for items in ([3, 1, 2], [], [5, 5, 0, 9])]
    return _KEPT.format(name=name, says=says, body=body, first=values[0], empty=values[1], second=values[2])


def _moved(name: str, says: str, old: str, new: str, body: str, *, is_new: bool) -> str:
    keyword = new if is_new else old
    body = body.format(keyword)
    values = [repr(eval(body, {"items": i, keyword: n})) for i, n in (([3, 1, 2], 3), ([5, 5, 0, 9], 4))]
    said = {"name": name, "says": says, "body": body, "keyword": keyword, "first": values[0], "second": values[1]}
    note = _NOTE.format(old=old, new=new) if is_new else ""
    return _MOVED.format(parameters=f"items, *, {new}=2" if is_new else f"items, {old}=2", note=note, **said)


def _tests(*, is_new: bool) -> str:
    tests = ["import lib\n"]
    for name, _, body in KEPT:
        tests.append(_TESTED.format(name=name, more="", value=repr(eval(body, {"items": [2, 4, 9]}))))
    for name, _, old, new, body in MOVED:
        keyword = new if is_new else old
        value = repr(eval(body.format(keyword), {"items": [2, 4, 9], keyword: 3}))
        tests.append(_TESTED.format(name=name, more=f", {keyword}=3", value=value))
    return "".join(tests)


def files(*, is_new: bool) -> dict[str, str]:
    """What the library has at a version."""
    text = "".join([*(_kept(*told) for told in KEPT), *(_moved(*told, is_new=is_new) for told in MOVED)])
    return {"lib/__init__.py": text, "lib/tests/__init__.py": "", "lib/tests/test_lib.py": _tests(is_new=is_new)}


@contextmanager
def unwritten(folder: Path) -> Iterator[Path]:
    """A folder with the domain, and a home in which all is done that needs no LLM; its index answers meanwhile."""
    (folder / "made").mkdir(parents=True)
    with own_index(folder / "made") as index:
        for version, is_new in (("1.0", False), ("2.0", True)):
            index.add("lib", version, files(is_new=is_new), "License-Expression: MIT\n")
        (folder / "lib.toml").write_text(DOMAIN.format(url=index.url))
        done(folder, upto="validate derived")
        yield folder


def with_llm(first: Path, folder: Path, address: str, **settings: Any) -> Path:
    """A copy of such a folder whose domain has an LLM."""
    shutil.copytree(first, folder)
    told = {"model": "stub", "base_url": address, "trainable": True, "timeout_s": 30, "concurrency": 16, **settings}
    lines = [f"{name} = {_toml(value)}" for name, value in told.items()]
    with (folder / "lib.toml").open("a") as file:
        file.write("\n".join(["\n[llm]", *lines, ""]))
    return folder


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else repr(str(value)) if isinstance(value, str) else str(value)


@contextmanager
def opened(folder: Path) -> Iterator[House]:
    """The run of such a domain."""
    with closing(open_house(str(folder / "lib.toml"), settings=Settings(home=folder / "home"))) as house:
        yield house


def done(folder: Path, upto: str = "curate", also: Callable[[House], Any] = lambda _: None) -> Any:
    """Does all stages up to one, as a run does them; what `also` makes of the run then."""
    with opened(folder) as house:
        for name, stage in STAGES.items():
            perform(stage, house)
            if name == upto:
                break
        return also(house)


def rows(folder: Path, sql: str) -> list[dict[str, Any]]:
    """What a query says of the lake."""
    with opened(folder) as house:
        return list(house.lake.query(sql).to_pylist())
