"""The system call filters, read back as the kernel reads them."""

from __future__ import annotations

import errno
import struct

import pytest

from registry.errors import SandboxError
from validators.execution.seccomp import program_filter, server_filter

ALLOW = 0x7FFF0000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(program: bytes, machine: str, call: int, *arguments: int) -> int | str:
    """What the filter answers: `allow`, `kill`, or an errno."""
    code = list(struct.iter_unpack("HBBI", program))
    words = struct.pack("<IIQ6Q", call, ARCHITECTURES[machine], 0, *(list(arguments) + [0] * 6)[:6])
    at, accumulator = 0, 0
    while True:
        op, if_true, if_false, k = code[at]
        at += 1
        if op == 0x20:
            (accumulator,) = struct.unpack_from("<I", words, k)
        elif op == 0x06:
            return "allow" if k == ALLOW else "kill" if k == 0x80000000 else k & 0xFFFF
        else:
            held = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[op]
            at += if_true if held else if_false


CALLS = [
    # name, x86-64, aarch64, arguments, the program's answer, the server's
    ("read", 0, 63, (), "allow", "allow"),
    ("execve", 59, 221, (), "allow", "allow"),
    ("ptrace", 101, 117, (), errno.EPERM, errno.EPERM),
    ("bpf", 321, 280, (), errno.EPERM, errno.EPERM),
    ("keyctl", 250, 219, (), errno.EPERM, errno.EPERM),
    ("io_uring_setup", 425, 425, (), errno.EPERM, errno.EPERM),
    ("shmget", 29, 194, (), errno.EPERM, errno.EPERM),
    ("mount", 165, 40, (), errno.EPERM, "allow"),
    ("unshare", 272, 97, (), errno.EPERM, "allow"),
    ("clone of a thread", 56, 220, (0x003D0F00,), "allow", "allow"),
    ("clone of a user namespace", 56, 220, (0x10000011,), errno.EPERM, "allow"),
    ("clone3", 435, 435, (), errno.ENOSYS, "allow"),
    ("socket UNIX", 41, 198, (1,), "allow", "allow"),
    ("socket INET6", 41, 198, (10,), "allow", "allow"),
    ("socket PACKET", 41, 198, (17,), errno.EAFNOSUPPORT, errno.EAFNOSUPPORT),
    ("socket VSOCK", 41, 198, (40,), errno.EAFNOSUPPORT, errno.EAFNOSUPPORT),
    ("ioctl TIOCSTI", 16, 29, (0, 0x5412), errno.EPERM, errno.EPERM),
    ("ioctl FIONREAD", 16, 29, (0, 0x541B), "allow", "allow"),
]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(("name", "x86", "arm", "arguments", "confined", "server"), CALLS, ids=[c[0] for c in CALLS])
def test_calls(
    machine: str, name: str, x86: int, arm: int, arguments: tuple[int, ...], confined: int | str, server: int | str
) -> None:
    """What a program may ask is narrower than what its server may; threads, files and loopback are free."""
    call = x86 if machine == "x86_64" else arm
    assert decide(program_filter(machine), machine, call, *arguments) == confined
    assert decide(server_filter(machine), machine, call, *arguments) == server


def test_other_architectures() -> None:
    """Calls of another architecture kill, the x32 ones are refused, and an unknown machine has no filter."""
    assert decide(program_filter("x86_64"), "aarch64", 0) == "kill"
    assert decide(program_filter("x86_64"), "x86_64", 0x40000000 + 101) == errno.EPERM
    with pytest.raises(SandboxError, match="riscv64"):
        program_filter("riscv64")
