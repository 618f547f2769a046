"""System call filters, as packed BPF programs: what a confined process may not ask of the kernel."""

from __future__ import annotations

import errno
import platform
import struct

from registry.errors import SandboxError

_CALLS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86-64, aarch64); numbers from the kernel's syscall tables
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "perf_event_open": (298, 241), "bpf": (321, 280), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "uselib": (134, None),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58), "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18), "fanotify_init": (300, 262), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "ioprio_set": (251, 30), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_secret": (447, 447), "memfd_create": (319, 279),
    # what outlives a process: System V IPC and message queues
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "open_tree": (428, 428), "move_mount": (429, 429), "mount_setattr": (442, 442), "pivot_root": (155, 41),
    "chroot": (161, 51),
}  # fmt: skip

_SERVER_NEEDS: dict[str, tuple[int, int]] = {
    "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268),
}  # fmt: skip

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE, _CLONE3, _IOCTL, _SOCKET = (56, 220), 435, (16, 29), (41, 198)
_REFUSED_FLAGS = (
    0x7E028080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}; CLONE_PARENT: it would be the server's child
)
_FAMILIES = (1, 2, 10, 16)  # UNIX, INET, INET6, NETLINK; others (VSOCK!) ignore network namespaces
_TERMINAL = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into a terminal

_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def program_filter(machine: str | None = None) -> bytes:
    """The filter of a program: no namespaces, mounts, tracing, keys, BPF, modules, clocks, System V IPC."""
    return _assemble(machine or platform.machine(), confined=True)


def server_filter(machine: str | None = None) -> bytes:
    """The filter of the fork server: as a program's, but it may make the namespaces and mounts of its children."""
    return _assemble(machine or platform.machine(), confined=False)


def _assemble(machine: str, *, confined: bool) -> bytes:
    if machine not in _ARCHITECTURES:
        raise SandboxError(
            f"No system call filter for {machine!r}: known are {', '.join(_ARCHITECTURES)}", machine=machine
        )
    column, arch = _ARCHITECTURES[machine]
    denied = sorted(numbers[column] for numbers in _CALLS.values() if numbers[column] is not None)  # type: ignore[type-var]
    if confined:
        denied += sorted(numbers[column] for numbers in _SERVER_NEEDS.values())
    code = [_op(_LOAD, 4), _op(_JEQ, arch, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, 0)]
    if machine == "x86_64":  # the x32 calls have numbers of their own
        code += [_op(_JGE, 0x40000000, 0, 1), _refuse(errno.EPERM)]
    for number in denied:
        code += [_op(_JEQ, number or 0, 0, 1), _refuse(errno.EPERM)]
    if confined:
        code += [_op(_JEQ, _CLONE3, 0, 1), _refuse(errno.ENOSYS)]  # its flags can't be read; libc falls back to clone
        code += [_op(_JEQ, _CLONE[column], 0, 4), _op(_LOAD, 16), _op(_JSET, _REFUSED_FLAGS, 0, 1)]
        code += [_refuse(errno.EPERM), _op(_RETURN, _ALLOW)]
    code += _by_argument(_SOCKET[column], 16, _FAMILIES, listed=_ALLOW, other=_ERRNO | errno.EAFNOSUPPORT)
    code += _by_argument(_IOCTL[column], 24, _TERMINAL, listed=_ERRNO | errno.EPERM, other=_ALLOW)
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def _by_argument(call: int, offset: int, values: tuple[int, ...], *, listed: int, other: int) -> list[bytes]:
    """One call decided by the low word of one argument."""
    body = [_op(_LOAD, offset)]
    for value in values:
        body += [_op(_JEQ, value, 0, 1), _op(_RETURN, listed)]
    body.append(_op(_RETURN, other))
    return [_op(_JEQ, call, 0, len(body)), *body]


def _refuse(number: int) -> bytes:
    return _op(_RETURN, _ERRNO | number)


def _op(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, k)
