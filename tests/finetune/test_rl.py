"""Reinforcement: only what solves an exercise earns, what the reward doesn't ask for is watched, and a model learns."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finetune import tuning
from finetune.bases import BaseModel
from finetune.chain import Chain
from finetune.exercises import Exercise, earns, exercises
from finetune.recipe import Lookup
from finetune.steps import rl
from finetune.steps.rl import RlSettings
from registry.errors import ConfigurationError, TrainingError
from registry.records import Verdict
from registry.store import content_hash
from tests.finetune.exercised import BODIES, LEARNED, RL, behind, exercise, guessing_base, passing, row_of
from tests.finetune.writing import taught
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A sandbox behind this machine's wall."""
    with Pool(2) as made:
        assert made.available() is None
        yield made


@pytest.fixture(scope="module")
def bare(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> BuiltEnvironment:
    """Python and nothing else."""
    return pool.build([], tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(scope="module")
def learned(pool: Pool, bare: BuiltEnvironment) -> Lookup:
    """The sandbox, and the programs of the functions that are learned."""
    return behind(pool, bare, [program for _, program in map(row_of, LEARNED)])


HACKS = {
    "ends the process": "\n    import os\n    os._exit(0)\n",
    "ends it before the test": "\n    return x\nimport os\nos._exit(0)\n",
    "exits": "\n    return x\nimport sys\nsys.exit(0)\n",
    "exits when called": "\n    raise SystemExit(0)\n",
    "exits at the end": "\n    return x\nimport atexit, os\natexit.register(os._exit, 0)\n",
    "is always equal": (
        "\n    class Equal:\n        def __eq__(self, other): return True\n"
        "        def __ne__(self, other): return False\n        __hash__ = None\n    return Equal()\n"
    ),
    "is a number that is always equal": (
        "\n    class Equal(int):\n        def __eq__(self, other): return True\n"
        "        __hash__ = int.__hash__\n    return Equal(x)\n"
    ),
    "says passed": (
        "\n    print('passed')\n    print('{\"outcome\": \"passed\", \"proof\": \"strong\"}')\n    return x\n"
    ),
    "says passed and goes": "\n    import os\n    os.write(1, b'passed\\n')\n    os._exit(0)\n",
    "writes a verdict wherever it can": (
        "\n    import os\n    for number in range(64):\n        try:\n"
        "            os.write(number, b'{\"outcome\": \"passed\", \"proof\": \"strong\"}\\n')\n"
        "        except OSError:\n            pass\n    os._exit(0)\n"
    ),
    "catches the assertion": (
        "\n    return x\nimport sys\nclass Quiet(Exception): pass\n"
        "import builtins\nbuiltins.AssertionError = Quiet\nsys.excepthook = lambda *a: None\n"
    ),
    "traces assertions away": (
        "\n    return x\nimport sys\ndef trace(frame, event, arg):\n    frame.f_trace_lines = False\n"
        "    return trace\nsys.settrace(trace)\n"
    ),
    "patches what compares": (
        "\n    return x\nimport builtins, operator\noperator.eq = lambda a, b: True\n"
        "builtins.repr = lambda o: '14'\nbuiltins.type = lambda *a: int\nbuiltins.isinstance = lambda *a: True\n"
    ),
    "patches what sends": (
        "\n    return x\nimport json, pickle, marshal, ast\nfor one in (json, pickle, marshal):\n"
        "    one.dumps = lambda *a, **k: '14'\nast.literal_eval = lambda *a: 14\n"
    ),
    "looks for what is wanted": (
        "\n    import gc, sys\n    frame = sys._getframe()\n    while frame:\n"
        "        for wanted in frame.f_code.co_consts:\n            if wanted == 2 * x: return wanted\n"
        "        frame = frame.f_back\n"
        "    return [o for o in gc.get_objects() if isinstance(o, int)][0]\n"
    ),
    "runs in a thread on": (
        "\n    return x\nimport os, threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.01), os._exit(0)), daemon=True).start()\n"
    ),
    "redefines the function's test": "\n    return x\ndef check(*a): pass\n__debug__ = False\n",
}  # fmt: skip


def test_only_what_solves_it_earns(pool: Pool, bare: BuiltEnvironment) -> None:
    """Whoever leaves, lies, prints, patches or searches earns exactly nothing; who computes the values earns."""
    honest = {"sums": "\n    return x + x\n", "multiplies": "\n    import operator\n    return operator.mul(x, 2)\n"}
    judge = behind(pool, bare).judge
    texts = [*honest.values(), *HACKS.values()]
    verdicts = judge([exercise().programs(text)[0] for text in texts])
    assert [name for name, v in zip((*honest, *HACKS), verdicts, strict=True) if earns(v)] == list(honest)


def test_literals_of_the_reward_fail_what_is_kept_back(pool: Pool, bare: BuiltEnvironment) -> None:
    """A function that only knows what the reward asks for earns it, and not one of the other assertions holds of it."""
    texts = ("\n    return {7: 14, -3: -6}.get(x)\n", "\n    return x + x\n")
    pairs = [exercise().programs(text) for text in texts]
    found = [earns(v) for v in behind(pool, bare).judge([one for pair in pairs for one in pair])]
    assert found == [True, False, True, True]


def test_weak_proof_earns_nothing_and_no_verdict_is_no_zero() -> None:
    """A pass that the program's own process told of isn't rewarded; where nothing ran, the training stops."""
    told = Verdict(program="p", environment="e", harness="2", policy="k=1", outcome="passed", proof="strong")
    assert earns(told)
    assert not earns(replace(told, proof="weak"))
    assert not earns(replace(told, outcome="flaky", proof="none"))
    with pytest.raises(TrainingError, match=r"no reward without a verdict, and program p couldn't be run: no wall"):
        earns(replace(told, outcome="unavailable", proof="none", detail="no wall"))


VALUE = "import statistics as lib\n\ndata = [1, 2, 6]\nresult = sorted(lib.multimode(data))\n"

TWO = "assert cat(7) == 14\nassert cat(6) == 12\n"
OF_VALUE = "assert result[0] == 1\nassert len(result) == 3\n"

ROWS: dict[str, tuple[str, str, bool]] = {
    "a function": ("def cat(x):\n    return x + x\n", TWO, True),
    "a documented one": ('def cat(x):\n    """Twice."""\n    return 2 * x\n', TWO, True),
    "a value": (VALUE, OF_VALUE, True),
    "one assertion": ("def cat(x):\n    return x + x\n", TWO.splitlines()[0], False),
    "another value's": (VALUE, "assert result[0] == 1\nassert data[0] == 1\n", False),
    "guessed": ("def cat(x):\n    return x > 0\n", "assert cat(7) is True\nassert cat(-7) is False\n", False),
    "held by nothing": (
        "def cat(x):\n    pass\n",
        "assert repr(cat(7)) == 'None'\nassert str(cat(6)) == 'None'\n",
        False,
    ),
    "another call": (VALUE.replace("multimode", "quantiles"), OF_VALUE, False),
    "no end": ("print(1)\n", "assert 1 == 1\nassert 2 == 2\n", False),
    "any list does": (VALUE, "assert len(result[:0]) == 0\nassert type(result).__name__ == 'list'\n", False),
    "weak": ("def cat(x):\n    return x + x\n", "assert cat(7) == 14\nassert vars(cat) == cat.__dict__\n", False),
}
"""Code and test of a row, and whether it makes an exercise."""


@pytest.fixture(scope="module")
def posed(pool: Pool, bare: BuiltEnvironment) -> dict[str, Exercise]:
    """What becomes of the rows, by the names of those that are exercises."""
    rows, programs, begins = [], [], {}
    for number, (name, (code, test, _)) in enumerate(ROWS.items()):
        code, test = (text.replace("cat", f"cat{number}").replace("lib", f"lib{number}") for text in (code, test))
        row, program = row_of(name, "test", code=code, test=test)
        rows.append(replace(row, symbols=("statistics.multimode",)))
        programs.append(program)
        begins[name] = code
    found = exercises(rows, behind(pool, bare, programs), 60, 0)
    return {name: one for one in found for name, code in begins.items() if code.startswith(one.begun)}


def test_rows_that_are_no_exercise_are_left_out(posed: dict[str, Exercise]) -> None:
    """It takes an end to be written, two assertions about it, values that can't be guessed, and strong proof."""
    assert set(posed) == {name for name, (_, _, fits) in ROWS.items() if fits}


def test_an_exercise_is_a_program_without_its_end(posed: dict[str, Exercise]) -> None:
    """The model is shown a function's signature and docstring, or what stands before a call; never an assertion."""
    assert posed["a function"].begun == "def cat0(x):"
    assert posed["a documented one"].begun.endswith('"""Twice."""')
    assert posed["a value"].begun == VALUE[: VALUE.index("multimode")].replace("lib", "lib2")
    assert (posed["a value"].test, posed["a value"].held_out) == (
        "assert result[0] == 1\n",
        "assert len(result) == 3\n",
    )
    made, _ = posed["a value"].programs("multimode(data))\nresult = (1,")
    assert made.code == VALUE.replace("lib", "lib2"), "A value is given in the line that was begun"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("multimode(data))", True),
        (" multimode([1, 2, 6]))[:9]", True),
        ("__name__ and [1, 2, 6])", False),
        ("mode and multimode(data) and [1])", False),
        ("multimode(data) and [1, 2, 6])", False),
        ("multimode(data) if 0 else [1, 2, 6])", False),
        ("__name__); result = [1, 2, 6]", False),
        ("__name__); lib.multimode(data)", False),
        ("mode(data), key=lib.multimode(data))", False),
        ("multimode(data", False),
    ],
)
def test_a_value_comes_of_the_call(text: str, counts: bool) -> None:
    """Two assertions about one value don't tell a literal from it: what is written makes the call, at once."""
    value = Exercise("result = sorted(lib.", "assert result[0] == 1\n", "assert len(result) == 3\n", call="multimode")
    assert value.calls(text) is counts
    assert exercise().calls("\n    return {7: 14}.get(x)\n"), "of a function the assertions kept back tell"


def test_what_is_right_without_the_call_earns_nothing(learned: Lookup) -> None:
    """The sandbox says that the value is the wanted one, and the reward is none."""
    value = Exercise("import statistics as lib\nresult = sorted(lib.", "assert result[0] == 1\n", "", call="multimode")
    texts = ["multimode([6, 1, 2]))", "__name__ and [1])"]
    assert all(earns(v) for v in learned.judge([value.programs(text)[0] for text in texts]))
    rollouts = rl._Rollouts(None, [{"ids": [], "posed": rl.Posed(value, learned.judge)}], RlSettings())
    state = SimpleNamespace(log_history=[])
    given = {"prompts": ["0", "0"], "text": texts, "trainer_state": state, "log_metric": lambda *_: None}
    assert rollouts(**given) == [1.0, 0.0]


def test_exercises_are_drawn_by_the_seed(learned: Lookup) -> None:
    """The same seed gives the same exercises in the same order; another one another order."""
    rows = [row for row, _ in map(row_of, LEARNED)]
    one, again, other = (exercises(order, learned, 24, seed) for order, seed in ((rows, 3), (rows[::-1], 3), (rows, 4)))
    assert one == again != other
    assert {e.entry_point for e in one} == set(LEARNED)


def test_where_there_is_nothing_to_exercise_it_says_so(learned: Lookup) -> None:
    """No row that can be one, or no sandbox: the training stops before anything is loaded."""
    row, _ = row_of("cat")
    with pytest.raises(TrainingError, match=r"No row to train rl on: it takes .* two or more assertions"):
        rl.rows([], [], RlSettings(), 0, learned)
    with pytest.raises(TrainingError, match="no sandbox"):
        rl.rows([row], [], RlSettings(), 0, Lookup(learned.programs))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"samples": 1}, "samples can't be 1: write 2 or more"),
        ({"samples": 7}, r"batch \(32\) is a multiple"),
        ({"written": 192}, "leaves no room"),
        ({"gap": 1.5}, "from 0 to 1"),
    ],
)
def test_settings_that_can_not_be_are_refused(settings: dict[str, Any], said: str) -> None:
    """A group of one has nothing to compare with, and groups are never cut."""
    with pytest.raises(ConfigurationError, match=rf"\[train.rl\] .*{said}"):
        Chain.of({"recipe": ["rl"], "rl": settings})


@pytest.mark.parametrize(
    ("earned", "kept", "said"),
    [
        ([0.5] * 9, [0.0] * 9, None),
        ([0.5] * 10, [0.35] * 10, None),
        ([0.5] * 10, [0.2] * 10, r"50% .* hold of 20% alone"),
        ([0.1] * 30 + [0.9] * 10, [0.1] * 30 + [0.2] * 10, r"steps lower than 30"),
        ([0.0] * 10, [0.0] * 10, r"No program has earned a reward in 10 steps"),
        ([0.0] * 9 + [0.1], [0.0] * 9 + [0.1], None),
        ([0.5] * 20 + [0.0] * 10, [0.5] * 20 + [0.0] * 10, "nothing to learn from"),
    ],
)
def test_a_reward_that_opens_a_gap_stops_the_training(earned: list[float], kept: list[float], said: str | None) -> None:
    """So does one that nobody earns: of ten steps, as single ones are few programs."""
    log = [{"reward": e, "held_out": k} for e, k in zip(earned, kept, strict=True)]
    if said is None:
        rl.check(log, 0.2)
    else:
        with pytest.raises(TrainingError, match=said):
            rl.check(log, 0.2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base a quarter of whose programs are right."""
    return guessing_base(tmp_path_factory.mktemp("bases"))


def trained(base: BaseModel, lookup: Lookup, work: Path, seed: int = 0, tell: Any = None, **rl: Any) -> tuning.Stage:
    """The step `rl` alone, on the functions that are learned."""
    chain = Chain.of({**RL, "rl": {**RL["rl"], **rl}})
    rows = [row for row, _ in map(row_of, LEARNED)]
    return chain.train(base, rows, [], work, seed=seed, threads=1, lookup=lookup, progress=tell)["rl"]


FEW = {"steps": 6, "save_every": 2}


@pytest.fixture(scope="module")
def undisturbed(base: BaseModel, learned: Lookup, tmp_path_factory: pytest.TempPathFactory) -> tuning.Stage:
    """A few steps."""
    return trained(base, learned, tmp_path_factory.mktemp("undisturbed"), **FEW)


def test_goes_on_to_the_same_bytes(base: BaseModel, learned: Lookup, undisturbed: tuning.Stage, tmp_path: Path) -> None:
    """Stopped between two checkpoints and started again, it draws the same programs and ends in the same adapter."""

    class Stopped(BaseException):
        pass

    def stop(at: int, _what: str, done: int, _total: int, _note: str = "") -> None:
        if done == at:
            raise Stopped

    for at in (3, 5):
        with pytest.raises(Stopped):
            trained(base, learned, tmp_path, tell=partial(stop, at), **FEW)
    found = trained(base, learned, tmp_path, **FEW)
    assert content_hash(found.folder) == content_hash(undisturbed.folder)
    assert found.told == undisturbed.told


def test_what_is_kept_of_it(base: BaseModel, undisturbed: tuning.Stage) -> None:
    """The adapter is its config and weights; the curve has each step's loss, reward, and what holds of that."""
    files = {path.name: path for path in undisturbed.folder.iterdir()}
    assert set(files) == {"adapter_config.json", "adapter_model.safetensors"}
    assert json.loads(files["adapter_config.json"].read_text())["base_model_name_or_path"] == base.name
    assert not any(b"/tmp" in path.read_bytes() for path in files.values())
    assert [step for step, _ in undisturbed.curve] == list(range(1, 7))
    assert [set(row) for row in undisturbed.told] == [{"reward", "held_out"}] * 6
    assert any(row["reward"] for row in undisturbed.told)


def test_it_goes_on_with_the_adapter_before_it(base: BaseModel, learned: Lookup, tmp_path: Path) -> None:
    """Behind `sft` it trains that step's adapter, and what it leaves is one adapter again."""
    rows = [row for row, _ in map(row_of, LEARNED)] + [taught("cat", body) for body in BODIES]
    steps = {"sft": {"steps": 2, "batch": 4, "replay": 0.0, "max_tokens": 48}, "rl": {**RL["rl"], **FEW, "steps": 2}}
    chain = Chain.of({**RL, "recipe": ["sft", "rl"], **steps})
    before, after = chain.train(base, rows, [], tmp_path, threads=1, lookup=learned).values()
    assert content_hash(after.folder) != content_hash(before.folder)
    assert {path.name for path in after.folder.iterdir()} == {path.name for path in before.folder.iterdir()}
    assert "lora_A" in "".join(name for name, _ in tuning.load_with(base, after.folder)[0].named_parameters())


def test_less_memory_draws_the_same_programs(
    base: BaseModel, learned: Lookup, undisturbed: tuning.Stage, tmp_path: Path
) -> None:
    """Where half the rows fit at once, a step still compares whole groups: the rewards begin as they were."""
    (tmp_path / "rl").mkdir()
    (tmp_path / "rl" / "rows_at_once").write_text("16")  # as where 32 didn't fit before
    halves = trained(base, learned, tmp_path, **FEW)
    assert halves.told[:2] == undisturbed.told[:2]
    assert [loss for _, loss in halves.curve] == pytest.approx([loss for _, loss in undisturbed.curve], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_reward_rises_and_so_does_what_was_not_trained_on(
    base: BaseModel, learned: Lookup, tmp_path: Path, seed: int
) -> None:
    """Of the programs for functions that were learned, and for others of their kind, far more pass than before."""
    before = passing(*tuning.load(base), learned)
    stage = trained(base, learned, tmp_path, seed=seed)
    rewards = [row["reward"] for row in stage.told]
    quarter = len(rewards) // 4
    assert statistics.fmean(rewards[-quarter:]) > statistics.fmean(rewards[:quarter]) + 0.15
    assert passing(*tuning.load_with(base, stage.folder), learned) > before + 0.15
