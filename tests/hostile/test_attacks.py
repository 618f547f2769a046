"""Attacks on the sandbox, one a file: none is ever `passed` with strong proof, none harms the next program."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from registry.records import Program
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool

ATTACKS = sorted((Path(__file__).parent / "attacks").glob("[a-z]*.py"))

CENSUS = """
import collections, json, math, os, random, socket, sys

pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
files = sorted(os.listdir("/tmp") + os.listdir("/tmp/work") + os.listdir("/dev/shm"))
traps = [p for p in sys.path if p and os.path.isfile(os.path.join(p, "sitecustomize.py"))]
sane = [json.loads("[1]"), math.sqrt(4), collections.OrderedDict is dict, os.getpid()]
sockets = [socket.if_nameindex(), open("/proc/net/unix").read().count("left")]
port = socket.socket()
port.bind(("127.0.0.1", 4711))
hostname = socket.gethostname()
"""
SOUND = """
assert pids == [1]
assert files == ["program.py", "work"]
assert traps == []
assert sane == [[1], 2.0, False, 1]
assert sockets == [[(1, "lo")], 0]
assert hostname == "sandbox"
"""


def test_there_are_enough_attacks() -> None:
    """At least forty attacks are tried."""
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_attack_proves_nothing_and_harms_nobody(
    attack: Path, pool: Pool, bare: BuiltEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attack isn't passed with strong proof; the program after it finds a clean sandbox; nothing is left running."""
    secret = f"secret-{secrets.token_hex(8)}"
    monkeypatch.setenv("DRIFTUNE_TEST_SECRET", secret)
    (tmp_path / "host.txt").write_text(secret, encoding="ascii")
    attacked = Program(
        code=attack.read_text(encoding="utf-8"),
        test=f"# it has to be {secret}\nassert solve(2) == {secret!r}, {secret!r}\nassert solve(0) == {secret!r}\n",
    )
    honest = Program(code=CENSUS, test=SOUND)
    list(pool.run(bare, [honest], attempts=1))  # the server stands
    before = _descendants()
    verdict, after = pool.run(bare, [attacked, honest], timeout_s=2.0, attempts=1)
    assert (verdict.outcome, verdict.proof) != ("passed", "strong"), verdict
    assert "SystemError" not in verdict.exception.get("type", ""), verdict.detail
    assert "a way out" not in verdict.detail
    assert secret not in str(verdict.symbols_called) + str([v["actual"] for v in verdict.values.values()])
    assert (after.outcome, after.proof) == ("passed", "strong"), after
    assert len(_descendants()) == len(before)


@pytest.mark.parametrize(
    "name", ["exit_status", "sys_exit", "exit_in_the_call", "atexit", "json_patched", "fake_frames"]
)
def test_weak_proof_stops_what_needs_no_token(name: str, pool: Pool, bare: BuiltEnvironment) -> None:
    """Without knowledge of the token, an attack doesn't pass a test with weak proof either."""
    code = (Path(__file__).parent / "attacks" / f"{name}.py").read_text(encoding="utf-8")
    program = Program(code=code, test="for _ in range(1):\n    assert solve(2) == 4\n")
    (verdict,) = pool.run(bare, [program], timeout_s=2.0, attempts=1)
    assert verdict.outcome != "passed", verdict


@pytest.mark.parametrize("name", ["memory_searched", "objects_searched", "frames_of_the_harness", "weak_then_forged"])
def test_searches_find_what_is_there(name: str, pool: Pool, bare: BuiltEnvironment) -> None:
    """The attacks that search for the expected value are sharp: where it is within the process, they find it."""
    code = (Path(__file__).parent / "attacks" / f"{name}.py").read_text(encoding="utf-8")
    secret = f"secret-{secrets.token_hex(8)}"
    program = Program(code=code, test=f"for _ in range(1):\n    assert solve(2) == {secret!r}\n")
    (verdict,) = pool.run(bare, [program], timeout_s=5.0, attempts=1)
    assert (verdict.outcome, verdict.proof) == ("passed", "weak"), verdict


def test_the_pool_leaves_no_process(bare: BuiltEnvironment) -> None:
    """Closing a pool ends everything that it started."""
    before = _descendants()
    with Pool(2) as other:
        programs = [Program(code=f"x = {i}", test=f"assert x == {i}") for i in range(4)]
        assert {v.outcome for v in other.run(bare, programs)} == {"passed"}
        assert len(_descendants()) > len(before)
    assert _descendants() == before


def _descendants() -> list[int]:
    """The processes below this one."""
    parents: dict[int, int] = {}
    for name in (p.name for p in Path("/proc").iterdir()):
        if name.isdigit():
            try:
                text = Path(f"/proc/{name}/stat").read_text(encoding="utf-8")
            except OSError:
                continue
            parents[int(name)] = int(text.rpartition(")")[2].split()[1])
    found = {os.getpid()}
    for _ in range(8):
        found |= {pid for pid, parent in parents.items() if parent in found}
    return sorted(found - {os.getpid()})


def test_attacks_are_python() -> None:
    """Every attack parses: none is harmless only because of a typing error."""
    for attack in ATTACKS:
        compile(attack.read_text(encoding="utf-8"), str(attack), "exec", dont_inherit=True)
