"""Rows made of other rows (`fim`, `edit`, `locate`) follow them through the curation, and change nothing for them."""

from __future__ import annotations

from typing import Any

from registry.records import Example
from tests.validators.test_curation import FAMILIES, UNSEEN, Bench, full
from validators.curation.leaks import leaks
from validators.splits import SYMBOL


def parts_of(example: Example) -> dict[str, Any]:
    parts: Any = example.parts
    return dict(parts)


def add_tasks(bench: Bench, source: Example) -> None:
    """A row of each further kind, of one test row."""
    answer = parts_of(source)["programs"]["answer"]
    code = bench.programs[answer].code
    lines = code.splitlines()
    value = lines[1].rpartition("(")[2].rstrip(")")
    at = code.index(f"({value})") + 1
    wrong = bench.run(code[:at] + "7777" + code[at + len(value) :], "failed")
    shared: dict[str, Any] = {"root": source.root, "file": source.file, "parents": (source.id,)}
    gap = {"prefix": f"{lines[0]}\n", "middle": lines[1], "suffix": "\n".join(["", *lines[2:], "", "assert r == 1"])}
    empty = bench.run("\n".join([lines[0], "pass", *lines[2:], ""]), "error")
    bench.add("fim", {"whole": answer, "empty": empty}, texts=gap, **shared)
    bench.add("edit", {"before": wrong, "after": answer}, texts={"scope": [[2, 2]]}, **shared)
    token = {"at": at, "was": value, "replaced": "7777"}
    bench.add("locate", {"original": answer, "corrupted": wrong}, texts=token, **shared)


def test_further_tasks_leave_the_splits_as_they_are() -> None:
    """Rows of `fim`, `edit` and `locate` count for no hub and no split, and go where what they are made of goes."""
    plain, more = full(), full()
    for source in [e for e in more.examples.values() if e.kind == "test"]:
        add_tasks(more, source)
    before, after = plain.curate()[1], more.curate()[1]
    assert {name: split for name, split in after.items() if name in plain.examples} == before
    further = [e for e in more.examples.values() if e.id not in plain.examples]
    kept = [e for e in further if e.id in after]
    assert {e.kind for e in kept} == {"fim", "edit", "locate"}
    assert all(after[e.id] == before[e.parents[0]] for e in kept)
    assert not any(e.parents[0] not in before for e in kept)


def test_what_quotes_a_held_out_name_stays_out() -> None:
    """A gap that quotes a held-out definition, or its file's name, isn't trained on; the check for leaks finds it."""
    bench = full()
    for argument, name, module in (("1000", UNSEEN, "core"), ("3000", "another", UNSEEN), ("2000", "other", "core")):
        answer = bench.run(f"import lib\nr = lib.other({argument})\n", "passed")
        gap = {"prefix": "import lib\nr = lib.other(", "middle": argument, "suffix": ")\n\nassert r == 1"}
        quoted = {"path": f"lib/{module}.py", "text": f"def {name}(x): ...\n"}
        empty = bench.run("import lib\nr = lib.other()\n", "error")
        bench.add("fim", {"whole": answer, "empty": empty}, texts=gap | {"context": [quoted]})
    *told, clean = list(bench.examples.values())[-3:]
    _, splits, _ = bench.curate()
    assert [splits[row.id] for row in told] == [SYMBOL, SYMBOL]
    assert splits[clean.id] == "train"
    back = splits | {row.id: "train" for row in told}
    found = list(leaks(back, bench.examples, bench.programs, FAMILIES))
    assert len(found) == 2
    assert all(UNSEEN in line for line in found)


WRITTEN = {"written": {"model": "m", "trainable": True, "calls": []}}


def add_written(bench: Bench, source: Example) -> list[Example]:
    """A task in two phrasings, a conversation and a repair, as an LLM writes them about what a test row shows."""
    code = bench.programs[parts_of(source)["programs"]["answer"]].code.replace("r = ", "r = 0 + ")
    answer, stub = bench.run(code, "passed"), bench.run(f"{code}r = None\n", "failed")
    tried = bench.run(f"{code}r = 2\n", "failed", detail="r is 2")
    shared: dict[str, Any] = {"root": source.root, "file": source.file, "parents": (source.id,), **WRITTEN}
    shown = [("user", "Do it"), ("assistant", f"```python\n{code}r = 2\n```"), ("user", "r is 2"), *said(code)[1:]]
    repair = {"turns": turns(shown), "shown": [{"outcome": "failed", "detail": "r is 2"}]}
    return [
        bench.add("task", {"answer": answer, "stub": stub}, texts={"prompt": "Get it."}, **shared),
        bench.add("task", {"answer": answer, "stub": stub}, texts={"prompt": "Hi! I need it."}, **shared),
        bench.add("chat", {"block1": answer}, texts={"turns": turns(said(code))}, **shared),
        bench.add("repair", {"attempt1": tried, "answer": answer, "stub": stub}, texts=repair, **shared),
    ]


def said(code: str, question: str = "How?") -> list[tuple[str, str]]:
    """A question and its answer."""
    return [("user", question), ("assistant", f"So:\n\n```python\n{code}```")]


def turns(spoken: list[tuple[str, str]]) -> list[dict[str, str]]:
    """A conversation."""
    return [{"role": role, "content": text} for role, text in spoken]


def test_what_an_llm_writes_moves_no_mined_row() -> None:
    """However much it writes, the same families are held out, and each phrasing goes where its root goes."""
    plain, more = full(), full()
    for source in [e for e in more.examples.values() if e.kind == "test"]:
        add_written(more, source)
    before, after = plain.curate()[1], more.curate()[1]
    assert {name: split for name, split in after.items() if name in plain.examples} == before
    further = [e for e in more.examples.values() if e.id in after and e.id not in plain.examples]
    assert {e.kind for e in further} == {"task", "chat", "repair"}
    assert all(after[e.id] == before[e.parents[0]] for e in further)
    phrasings = [e for e in further if e.kind == "task" and parts_of(e)["prompt"] == "Hi! I need it."]
    assert len(phrasings) * 4 == len(further), "the same program asked for in other words is no duplicate"


def test_a_conversation_gives_nothing_away() -> None:
    """A held-out function in a question, in its code or in its words, keeps the conversation out of training."""
    bench = full()
    asked = ["How?", f"Why does ```lib.{UNSEEN}(3)``` fail?", f"Why?\n```\nlib.{UNSEEN}(3)\n```", f"Is it {UNSEEN}?"]
    rows = []
    for number, question in enumerate(asked):
        code = f"import lib\nr = lib.other({number}, {number})\n"
        told = {"turns": turns(said(code, question))}
        rows.append(bench.add("chat", {"block1": bench.run(code, "passed")}, texts=told, **WRITTEN))
    _, splits, _ = bench.curate()
    assert [splits.get(row.id) for row in rows] == ["train", SYMBOL, SYMBOL, SYMBOL]
    back = splits | {row.id: "train" for row in rows}
    assert len(list(leaks(back, bench.examples, bench.programs, FAMILIES))) == 3
