"""The part of the sandbox that runs inside the wall: a fork server for one environment.

One file, standard library only, Python 3.8 to 3.14: it is bound into the wall and started with the environment's own
interpreter. It preloads libraries, then forks a child for each program. A child is shut in before its program comes,
drops every right, and speaks with the supervisor outside over a socket of its own, which the server never reads:
neither programs nor what they said pass through (or stay in) the server's memory. Its test comes only once its code has
run.

Guarantees, together with the wall (`validators/execution/wall.py`):

* With namespaces a child is process 1 of its own pid namespace: it can't name, signal, trace or read the server or
  another job; when it ends, whatever it started is killed by the kernel before the next job begins. It has its own /tmp
  (its working directory), /dev/shm and /proc: nothing that it writes outlives it.
* With a user id it can name the server and the other half of its own job, but not signal, trace or read them; when it
  ends, all that runs under its id is killed at once and its files are removed; where that fails, the server ends.
* It holds no capability, can gain none, and a system call filter refuses namespaces, mounts, tracing, keys, BPF,
  System V IPC, memory files and modules.
* Processor time, file sizes, open files and processes are limited; the memory of all its processes together is polled,
  and a process whose memory was too much for a moment only is found by its peak.
* What it prints goes to a file in memory, no larger than a file of its own may be, which the supervisor reads the
  beginning and the end of once the child is gone.

Not guaranteed:

* Memory that no process maps (a shared mapping that is let go while it is inherited) is bounded by the address-space
  limit a process, not by the memory limit. Between two polls (20 ms) a program can hold more than its limit.
* What a child says is a claim: exceptions, warnings and called symbols are evidence of honest programs. Only values
  that the supervisor compares outside are proof; and of these, one that is easily guessed (True) says little.
* Weak proof stops no program that means to deceive (`conformance.WEAK` lists the attacks that win, each is run): the
  test's literals lie in the program's memory, frames and objects; the values compared are the program's own objects;
  the token lies in the program's memory, and it holds the socket; the harness's functions in the program's process can
  be replaced.
* Where the host runs driftune as root, the kernel enforces no limit on processes of a user's; the poll does, and
  before it the namespace's own (four times as many with their threads; Linux 6.14 and newer) or the container's.
* A preloaded library runs in the server: it can lie about every program of its environment (not about another's).
* A program that is process 1 survives signals that it sends to itself without a handler of its own.
"""

from __future__ import annotations

import array
import builtins
import collections
import ctypes
import dataclasses
import datetime
import decimal
import enum
import fractions
import gc
import importlib
import json
import linecache
import os
import pathlib
import re
import resource
import select
import signal
import socket
import stat
import struct
import sys
import tempfile
import time
import traceback
import types
import uuid
import warnings
from typing import Any, Dict, List, Optional, Tuple

Frame = Dict[str, Any]

PROTOCOL = 2
CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 1, 2, 4, 8, 4096
MNT_DETACH = 2
RESERVED_PIDS = 300  # the kernel gives these numbers away once only, then those above them by turns
MASKED = (b"/proc/kcore", b"/proc/keys", b"/proc/kallsyms", b"/proc/kmsg", b"/proc/sysrq-trigger", b"/proc/timer_list")
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 38, 47
SYS_PIDFD_OPEN = 434
WORK = "/tmp/work"
SWEEP_S = 5.0
FONTS = "share/matplotlib"  # below the environment
POLL_S = 0.02
TRACED_CALLS, TRACED_C_CALLS = 100000, 20000
# The hook makes calls three times as slow; what is called first after so many is rarely asked for.
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
LIBC.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]


# ------------------------------------------------------------------------------------------------------- the server


def main() -> None:
    """Serve until the control socket closes."""
    control = connect(sys.argv[1])
    sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]
    sys.path.insert(0, WORK)
    config = json.loads(control.recv(1 << 20).decode())
    walls = WALLS[config["confinement"]["kind"]](config)
    control.send(json.dumps(prepare(config)).encode())
    gc.collect()
    if hasattr(gc, "freeze"):
        gc.freeze()
    Server(control, config, walls).serve()


def connect(where: str) -> socket.socket:
    """The control socket: a descriptor or, in a container (as its process 1), a path to call."""
    if where.isdigit():
        return socket.socket(fileno=int(where))
    server = os.fork()
    if server:
        # Process 1 buries what others leave behind; when it ends, the kernel ends all that is in the container.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # process 1 would not hear it otherwise
        while True:
            pid, status = os.wait()
            if pid == server:
                os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    os.environ.pop("HOSTNAME", None)  # the engine's own addition
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(where)
    _, (errors,) = receive_order(control)
    os.dup2(errors, 2)
    os.close(errors)
    return control


def prepare(config: Frame) -> Frame:
    """Import what is to be shared by all children; says how many threads that left which a child would miss."""
    failed = {}
    import_standard()
    for name in config["preload"]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    warnings.simplefilter("always")
    warnings.simplefilter("ignore", ResourceWarning)  # raised whenever the collector happens to run
    sys.argv[:] = ["program.py"]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else every child would print it again
    return {
        "protocol": PROTOCOL,
        "threads": sum(name not in SURVIVING for name in thread_names()),
        "failed": failed,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "rss_kb": resident(os.getpid()) * resource.getpagesize() >> 10,
    }


# Threads that a forked child can do without: jemalloc ends and restarts its own around a fork (pthread_atfork), and
# polars has one that only deletes files that a query too large for memory has left.
SURVIVING = ("jemalloc_bg_thd", "polars-ooc-clea")


def thread_names() -> List[str]:
    """The names of this process's threads, cut to 15 characters as the kernel keeps them."""
    names = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/comm" % thread) as file:
                names.append(file.read().rstrip("\n"))
        except OSError:  # it has just ended
            pass
    return names


# What most programs import anyway; importing it once saves each child the time.
STANDARD = (
    "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools",
    "heapq", "io", "itertools", "math", "operator", "pickle", "platform", "pprint", "random", "statistics", "string",
    "tempfile", "textwrap", "threading", "typing", "unittest", "uuid",
)  # fmt: skip


def import_standard() -> None:
    """Import what is in STANDARD; what it wants to be called at forks is put off until a child has begun.

    These hooks repair what other threads could have left behind. The server has none, and calling them would cost a
    twentieth of a trivial program's time.
    """
    register = os.register_at_fork
    os.register_at_fork = lambda **hooks: HOOKS.append(hooks)
    try:
        for name in STANDARD:
            importlib.import_module(name)
    finally:
        os.register_at_fork = register


HOOKS: List[Dict[str, Any]] = []


class Child:
    """A confined process: it waits for its program, or (once the supervisor says so) runs it."""

    def __init__(self, number: int, pid: int) -> None:
        self.number = number
        self.pid = pid
        self.running = False
        self.reason: Optional[str] = None

    def kill(self, reason: str) -> None:
        self.reason = self.reason or reason
        os.kill(self.pid, signal.SIGKILL)


class Server:
    """Forks children, kills them when told to or when they are beyond their limits, and tells how they ended.

    An order is a JSON object; what it may hold, in the order in which it is obeyed: `kill` a job's child; from now on
    watch the child of a job, whose program runs (`go`); tell how long a job's processes waited for a processor
    (`delay`); `start` the child of a job, which gets the two descriptors sent along: its socket and its output.
    """

    def __init__(self, control: socket.socket, config: Frame, walls: Any) -> None:
        self.control = control
        self.config = config
        self.children: Dict[int, Child] = {}  # by the descriptor that tells of their end
        self.poller = select.poll()
        self.poller.register(control, select.POLLIN)
        self.walls = walls
        self.base = resident(os.getpid())
        self.due = 0.0

    def serve(self) -> None:
        """Until the supervisor is gone."""
        while True:
            running = any(child.running for child in self.children.values())
            for fd, _ in self.poller.poll(POLL_S * 1000 if running else None):
                if fd in self.children:
                    self.bury(fd)
                elif not self.obey():
                    return
            if running and time.monotonic() >= self.due:
                self.enforce()
                self.due = time.monotonic() + POLL_S

    def obey(self) -> bool:
        data, fds = receive_order(self.control)
        if not data:
            return False
        order = json.loads(data.decode())
        for child in self.children.values():
            if child.number == order.get("kill"):
                child.kill("told")
            if child.number == order.get("go"):
                child.running = True
                self.due = time.monotonic() + POLL_S
        if "delay" in order:
            self.tell({"job": order["delay"], "delay_s": max([delay(pid) for pid in self.pids()], default=0.0)})
        if "start" in order:
            self.start(order["start"], *fds)
        return True

    def start(self, number: int, talk: int, output: int) -> None:
        """Fork a job's child into its walls, where it waits for its program."""
        pid = self.fork()
        if not pid:
            self.become_child(talk, output)
        os.close(talk)
        os.close(output)
        pidfd = LIBC.syscall(SYS_PIDFD_OPEN, pid, 0)
        check(pidfd, "pidfd_open")
        self.children[pidfd] = Child(number, pid)
        self.poller.register(pidfd, select.POLLIN)

    def fork(self) -> int:
        """As `os.fork`, also where what runs has taken all the processes that there may be: it is beyond its limit."""
        deadline = time.monotonic() + SWEEP_S
        while True:
            try:
                return self.walls.fork()
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                self.kill_running("processes")
                time.sleep(0.002)

    def become_child(self, talk: int, output: int) -> None:
        """The rest of a child's life; doesn't return."""
        status = 70
        try:
            for hooks in HOOKS:
                os.register_at_fork(**hooks)
            for fd in (self.control.fileno(), *self.children):
                os.close(fd)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            os.close(null)
            os.close(output)
            self.walls.confine()
            limit(self.config["limits"])
            status = run(talk)
        except BaseException:
            try:
                send(talk, {"k": "harness", "error": traceback.format_exc()[-2000:]})
            except BaseException:
                pass
        finally:
            os._exit(status)

    def bury(self, pidfd: int) -> None:
        """A child has ended, and with it all that it started."""
        child = self.children.pop(pidfd)
        self.poller.unregister(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(child.pid, 0)
        self.walls.sweep(child.pid)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        cpu_s = usage.ru_utime + usage.ru_stime
        ended = {"exit": code, "reason": child.reason, "rss_kb": usage.ru_maxrss, "cpu_s": cpu_s}
        self.tell({"job": child.number, "ended": ended})

    def enforce(self) -> None:
        """Kill what runs where its processes hold too much memory or are too many."""
        limits = self.config["limits"]
        pids = self.pids()
        if len(pids) > limits["processes"]:
            self.kill_running("processes")  # before anything else: they may double at every look
            return
        # Pages shared with the server count once, not for each process.
        pages = self.base + sum(max(0, resident(p) - self.base) for p in pids)
        if pages * resource.getpagesize() > limits["memory_mb"] << 20:
            self.kill_running("memory")

    def kill_running(self, reason: str) -> None:
        for child in self.children.values():
            if child.running:
                child.kill(reason)

    def pids(self) -> List[int]:
        """All processes of what runs."""
        others = {1, os.getpid()}.union(c.pid for c in self.children.values() if not c.running)
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in others]

    def tell(self, message: Frame) -> None:
        self.control.send(json.dumps(message).encode())


def receive_order(control: socket.socket) -> Tuple[bytes, List[int]]:
    """The next order and the descriptors that came with it; an empty one when the supervisor is gone."""
    data, ancillary, _, _ = control.recvmsg(1 << 16, socket.CMSG_SPACE(8))
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    return data, list(fds)


def resident(pid: int) -> int:
    """Resident pages of a process; 0 when it is gone."""
    try:
        with open("/proc/%d/statm" % pid) as file:
            return int(file.read().split()[1])
    except (OSError, IndexError):
        return 0


def delay(pid: int) -> float:
    """Seconds that a process was ready to run but had no processor: the most of any of its threads."""
    longest = 0
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as file:
                longest = max(longest, int(file.read().split()[1]))
    except (OSError, IndexError, ValueError):
        pass
    return longest / 1e9


def check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, "%s: %s" % (what, os.strerror(code)))


# -------------------------------------------------------------------------------------------------- a child's walls


class Namespaces:
    """Each child is process 1 of a pid namespace of its own and has its own mounts: what it started ends with it."""

    def __init__(self, config: Frame) -> None:
        # What doesn't depend on the child is made ready: a forked process pays for all that it touches.
        size = b"mode=0700,nr_inodes=20000,size=%dm" % config["limits"]["disk_mb"]
        quiet = MS_NOSUID | MS_NODEV
        self.mounts: List[Tuple[Any, ...]] = [
            (b"tmpfs", b"/tmp", b"tmpfs", quiet, size),
            (b"tmpfs", b"/dev/shm", b"tmpfs", quiet, size),
            (b"proc", b"/proc", b"proc", quiet | MS_NOEXEC | MS_RDONLY, None),
        ]
        self.mounts += [(b"/dev/null", path, None, MS_BIND, None) for path in MASKED if os.path.exists(path)]
        self.filter = call_filter(config)
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        # A port is free again as soon as its connection ends: for the next job, and for the next attempt.
        settings = {"net/ipv4/tcp_max_tw_buckets": 0}
        # A poll alone comes too late where a thousand processes keep it from the processor. Before Linux 6.14 there is
        # one such setting for the whole machine, which a server of root's could even change: it is left alone.
        if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 14):
            settings["kernel/pid_max"] = RESERVED_PIDS + 32 + 4 * config["limits"]["processes"]
        set_kernel(settings)

    def fork(self) -> int:
        """As `os.fork`; the child may already be another's."""
        check(LIBC.setns(self.own_pids, CLONE_NEWPID), "setns")
        check(LIBC.unshare(CLONE_NEWPID), "unshare")
        return os.fork()

    def confine(self) -> None:
        """In the child: shut in for good."""
        os.close(self.own_pids)
        os.setsid()
        check(LIBC.unshare(CLONE_NEWNS), "unshare")
        for mount in self.mounts:
            check(LIBC.mount(*mount), "mount")
        drop_rights()
        filter_calls(self.filter)

    def sweep(self, pid: int) -> None:
        """After a child's end: nothing of it is left."""


def set_kernel(settings: Dict[str, int]) -> None:
    """Change settings of the server's own namespaces, as far as this kernel has them for each namespace."""
    check(LIBC.mount(b"proc", b"/tmp", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None), "mount")
    for name, value in settings.items():
        try:
            with open("/tmp/sys/" + name, "w") as file:
                file.write("%d" % value)
        except OSError:
            pass  # one setting for the whole machine: it is not ours
    check(LIBC.umount2(b"/tmp", MNT_DETACH), "umount")


class Identities:
    """Each child has a user id of its own, for which the server needs no more than SETUID, SETGID and KILL."""

    SHARED = ("/tmp", "/dev/shm")

    def __init__(self, config: Frame) -> None:
        given = config["confinement"]
        self.ids = range(given["first"] + 1, given["first"] + given["count"])
        self.keeper = given["first"]
        self.turn = 0
        self.uid = -1
        self.children: Dict[int, int] = {}
        self.scheduled = scheduling()
        check(LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")
        filter_calls(call_filter(config))  # once: the server makes no namespaces

    def fork(self) -> int:
        """As `os.fork`; remembers which user the child will be."""
        taken = set(self.children.values())
        while True:
            uid = self.ids[self.turn % len(self.ids)]
            self.turn += 1
            if uid not in taken:
                break
        pid = os.fork()
        if pid:
            self.children[pid] = uid
        else:
            self.uid = uid
        return pid

    def confine(self) -> None:
        """In the child: another user for good."""
        os.setsid()
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # before the server
        os.setgroups([])
        os.setresgid(self.uid, self.uid, self.uid)
        os.setresuid(self.uid, self.uid, self.uid)
        drop_rights()
        check(LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")  # its own /proc/self is its own again

    def sweep(self, pid: int) -> None:
        """After a child's end: end what it started, remove what it wrote; where that fails, the server ends."""
        uid = self.children.pop(pid)
        deadline = time.monotonic() + SWEEP_S
        # As this user's equal in sending signals and removing files, but not in receiving signals.
        os.setresuid(self.keeper, uid, 0)
        try:
            while self.left(uid):
                if time.monotonic() > deadline:
                    raise OSError("processes of a job survive")
                time.sleep(0.0005)
            for folder in self.SHARED:
                for name in os.listdir(folder):
                    path = os.path.join(folder, name)
                    if os.lstat(path).st_uid == uid:
                        remove(path)
            os.setresuid(0, 0, 0)
            if scheduling() != self.scheduled:  # the one thing that may be done to one's equal
                raise OSError("a job has slowed down the server")
        except BaseException:
            traceback.print_exc()
            os._exit(71)

    def left(self, uid: int) -> bool:
        """Whether processes of this user are left; those that are get the signal to end."""
        try:
            os.kill(-1, signal.SIGKILL)  # at once for all: none can fork its way out
        except OSError:
            pass  # there is none, or only others'
        line = "\nUid:\t%d\t" % uid
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open("/proc/%s/status" % name) as file:
                        if line in file.read():
                            return True
                except OSError:
                    pass
        return False


WALLS: Dict[str, Any] = {"namespaces": Namespaces, "uids": Identities}


def scheduling() -> Tuple[Any, ...]:
    """How this process gets its processor."""
    return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), os.sched_getaffinity(0)


def remove(path: str) -> None:
    """A file, or a folder, whatever its modes and however deep: what is within is moved up before it is looked into."""
    parent, prefix = os.path.dirname(path), os.urandom(8).hex()
    waiting, moved = [path], 0
    while waiting:
        folder = waiting.pop()
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            os.unlink(folder)
            continue
        os.chmod(folder, 0o700)
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                moved += 1
                waiting.append(os.path.join(parent, "%s-%d" % (prefix, moved)))
                os.rename(entry.path, waiting[-1])
            else:
                os.unlink(entry.path)
        os.rmdir(folder)


def enter() -> None:
    """Into an empty working directory."""
    try:
        os.mkdir(WORK, 0o700)
        os.chdir(WORK)
    except FileExistsError:  # the other half of its job, where both see one /tmp
        os.chdir(tempfile.mkdtemp(prefix="work-", dir=os.path.dirname(WORK)))


def limit(limits: Dict[str, int]) -> None:
    for kind, most in (
        (resource.RLIMIT_FSIZE, limits["disk_mb"] << 20),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_AS, limits["address_space_mb"] << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def drop_rights() -> None:
    """No capability, and none to be gained."""
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    check(LIBC.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0), "clear ambient")
    check(LIBC.capset(CAPABILITIES, NONE), "capset")


CAPABILITIES = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
NONE = ctypes.create_string_buffer(24)


def call_filter(config: Frame) -> Tuple[Any, Any]:
    """The system call filter as the kernel takes it (struct sock_fprog), and the program that it points to."""
    program = bytes.fromhex(config["filter"])
    buffer = ctypes.create_string_buffer(program, len(program))
    return ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))), buffer


def filter_calls(made: Tuple[Any, Any]) -> None:
    """Install the system call filter."""
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    check(LIBC.prctl(PR_SET_SECCOMP, 2, ctypes.addressof(made[0]), 0, 0), "seccomp")


# ---------------------------------------------------------------------------------------------------------- frames


# Bound early: a program that patches `json` or `os` for its own ends doesn't break an honest verdict.
def send(
    fd: int,
    message: Frame,
    _encode: Any = json.JSONEncoder().encode,
    _pack: Any = struct.Struct(">I").pack,
    _write: Any = os.write,
) -> None:
    data = _encode(message).encode()
    view = memoryview(_pack(len(data)) + data)
    while view:
        view = view[_write(fd, view) :]


def receive(fd: int, _decode: Any = json.JSONDecoder().decode, _unpack: Any = struct.Struct(">I").unpack) -> Frame:
    return _decode(read_exactly(fd, _unpack(read_exactly(fd, 4))[0]).decode())


def read_exactly(fd: int, size: int, _read: Any = os.read) -> bytes:
    parts = []
    while size:
        part = _read(fd, min(size, 1 << 20))
        if not part:
            raise EOFError("The supervisor closed the socket")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# ------------------------------------------------------------------------------------------------------- a program


def run(fd: int) -> int:
    """Run one program: its code, then, sent only after that, its test."""
    send(fd, {"k": "ready"})
    job = receive(fd)
    enter()
    prepare_process(job)
    if "apart" in job:  # nothing of what another process wrote is imported
        sys.path[:] = [p for p in sys.path if p != WORK]
    module = types.ModuleType("program")
    module.__file__ = os.path.join(WORK, "program.py")
    sys.modules["program"] = sys.modules["__main__"] = module
    record = Recorder(job["trace"], job["prefix"])
    record.start()
    ended = execute(job["code"], "program.py", module, record)
    if ended is None:
        send(fd, {"k": "code"})
        ended = run_test(fd, module, record)
    record.stop()
    ended.update(record.evidence())
    ended["watched"] = {name: watched(module, name) for name in job["watch"]}
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # the program may have closed or replaced it
            pass
    send(fd, ended)
    return 0


def watched(module: types.ModuleType, name: str) -> Frame:
    """The final value of a variable of the program's; where it can't be sent, why, and how it writes itself."""
    if name not in module.__dict__:
        return {"unsent": "It isn't defined"}
    try:
        return {"v": encode(module.__dict__[name])}
    except BaseException as error:
        why = text_of(error)
    try:
        return {"unsent": why, "text": text_of(repr(module.__dict__[name]), 2000)}
    except BaseException:
        return {"unsent": why}


def run_test(fd: int, module: types.ModuleType, record: Recorder) -> Frame:
    # Everything a check needs is bound here, so that a program which replaced a global of its own can't break it.
    test = receive(fd)
    if "serve" in test:
        return serve_calls(fd, module, test["serve"])
    sent = [0]

    def check_value(index: int, *values: Any, _send: Any = send, _fd: int = fd) -> None:
        encoded = [encode(v) for v in values]
        _send(_fd, {"k": "check", "i": sent[0] if index < 0 else index, "v": encoded})
        sent[0] += 1

    if test["names"]:
        setattr(module, test["names"][0], check_value)
        if test["names"][1] in test["test"]:  # making a class takes as long as running a small program
            setattr(module, test["names"][1], catcher(check_value))
    if "stands" in test:
        setattr(module, test["stands"], stand_in(fd))
    try:
        ended = execute(test["test"], "test.py", module, record)
    except Unserialisable as error:
        return {"k": "weak", "why": str(error)}
    if ended is not None:
        return ended
    return {"k": "end", "token": test["token"]}


def catcher(check_value: Any) -> Any:
    """What stands for `pytest.raises`: sends the names of the raised error's classes, and its message."""

    class Raises:
        def __init__(self, index: int) -> None:
            self.index = index

        def __enter__(self) -> Any:
            return self

        def call(self, function: Any, *arguments: Any, **options: Any) -> None:
            with self:
                function(*arguments, **options)

        def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
            self.value = self.exception = error  # as pytest and unittest call it
            self.type, self.tb = kind, trace
            names = None if kind is None else [c.__name__ for c in kind.__mro__ if c is not object]
            check_value(self.index, names, None if kind is None else text_of(error, 2000))
            return True

    return Raises


def stand_in(fd: int) -> Any:
    """What stands for a function that another process runs. What isn't a call with literals makes the proof weak."""

    class StandIn:
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            send(fd, {"k": "call", "a": encode(list(arguments)), "w": encode(options)})
            answer = receive(fd)
            if answer["k"] == "result":
                return decode(answer["v"])
            raise getattr(builtins, answer["type"])(*decode(answer["a"]))

        def __getattr__(self, name: str) -> Any:
            raise Unserialisable("The test asks for %s of a function that another process runs" % name)

    return StandIn()


def serve_calls(fd: int, module: types.ModuleType, name: str) -> Frame:
    """Call a function of the program's as often as told to."""
    if name not in module.__dict__:
        return {"k": "weak", "why": "There is no %s" % name}
    while True:
        order = receive(fd)
        if order["k"] != "call":
            return {"k": "served"}
        try:
            answer = called(module.__dict__[name], decode(order["a"]), decode(order["w"]))
        except BaseException as error:
            answer = {"k": "weak", "why": text_of(error)}
        send(fd, answer)


def called(function: Any, arguments: List[Any], options: Dict[str, Any]) -> Frame:
    """What a call came to: a literal, or a built-in exception."""
    before = encode([arguments, options])
    try:
        result = function(*arguments, **options)
    except Exception as error:
        kind = type(error)
        if getattr(builtins, kind.__name__, None) is not kind:
            return {"k": "weak", "why": "A %s was raised, which is no built-in exception" % kind.__name__}
        answer = {"k": "raised", "type": kind.__name__, "a": encode(list(error.args))}
    else:
        if type(result) not in SIMPLE and any(result is a for a in [*arguments, *options.values()]):
            return {"k": "weak", "why": "The result is the very argument"}
        answer = {"k": "result", "v": encode(result)}
    if encode([arguments, options]) != before:
        return {"k": "weak", "why": "An argument was changed"}
    return answer


SIMPLE = (int, str, float, bytes, complex, bool, type(None))


def prepare_process(job: Frame) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], job["cpu_s"] + 1))
    sys.path_importer_cache.pop(WORK, None)  # the server remembers that the folder wasn't there
    sys.modules["random"].seed(job["seed"])
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(job["seed"])
    for path, text in job["files"].items():
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    lend_fonts()
    with open("program.py", "wb", 0) as program:
        program.write(job["code"].encode("utf-8", "surrogatepass"))


def lend_fonts() -> None:
    """Put matplotlib's list of fonts, made with the environment, where it looks for its own."""
    listed = os.path.join(sys.prefix, FONTS)
    if os.path.isdir(listed):
        folder = os.path.join(os.path.expanduser("~"), ".cache", "matplotlib")
        os.makedirs(folder)
        for name in os.listdir(listed):
            if name.endswith(".json"):
                os.symlink(os.path.join(listed, name), os.path.join(folder, name))


def execute(source: str, name: str, module: types.ModuleType, record: Recorder) -> Optional[Frame]:
    """Run source in the module's namespace; None, or the frame that says what it raised."""
    path = os.path.join(WORK, name)
    linecache.cache[path] = (len(source), None, source.splitlines(True), path)
    try:
        exec(compile(source, path, "exec", 0, True), module.__dict__)
    except Unserialisable:
        raise
    except BaseException as error:
        record.stop()
        return describe(error, name)
    return None


def describe(error: BaseException, name: str) -> Frame:
    """What an exception was, and the line of the program or test nearest to where it was raised."""
    where, line = ("test" if name == "test.py" else "code"), 0
    if isinstance(error, SyntaxError) and error.filename == os.path.join(WORK, name):
        line = error.lineno or 0
    trace = last = error.__traceback__
    while trace is not None:
        last = trace
        folder, base = os.path.split(trace.tb_frame.f_code.co_filename)
        if folder == WORK and base in ("program.py", "test.py"):
            where, line = ("test" if base == "test.py" else "code"), trace.tb_lineno
        trace = trace.tb_next
    kinds = [c.__name__ for c in type(error).__mro__ if c not in (object, BaseException)]
    return {"k": "raise", "stage": name, "type": type(error).__name__, "kinds": kinds[:20], "message": text_of(error),
            "line": line, "in": where, "frame": frame_of(last)}  # fmt: skip


def frame_of(trace: Any) -> Frame:
    """The function that raised, as `module.function`, and the line in it; nothing where the program itself did."""
    if trace is None or os.path.dirname(trace.tb_frame.f_code.co_filename) == WORK:
        return {}
    code = trace.tb_frame.f_code
    module = trace.tb_frame.f_globals.get("__name__")
    return {"function": "%s.%s" % (module, getattr(code, "co_qualname", code.co_name)), "line": trace.tb_lineno}


def text_of(value: Any, size: int = 500) -> str:
    """`str(value)`, shortened, without memory addresses (they differ between runs)."""
    try:
        text = str(value)
    except BaseException as error:
        text = "<%s in __str__>" % type(error).__name__
    return re.sub(r"\b0x[0-9a-fA-F]{4,}", "0x...", text[: 4 * size])[:size]


# ------------------------------------------------------------------------------------------------- values as frames


class Unserialisable(BaseException):
    """A checked value is no literal: the program is run again with weak proof."""


KEYS = 20000  # with more, keys made to collide would keep the supervisor busy for minutes
ITEMS = 200000
BITS = 10000


def encode(value: Any, depth: int = 0, budget: Optional[List[int]] = None) -> Any:
    """A literal as tagged JSON. Subclasses count as their base only where they compare as it does."""
    budget = [ITEMS] if budget is None else budget
    budget[0] -= 1
    if depth > 60 or budget[0] < 0:
        raise Unserialisable("A checked value is too deep or too large")
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    coder = CODERS.get(kind)
    if coder is not None:
        return coder(value, lambda item: encode(item, depth + 1, budget))
    base = literal_type(kind)
    if base is int:
        return whole(int.__index__(value))
    if base is str:
        budget[0] -= len(value) >> 4
        return str.__str__(value)
    if base is float:
        return ["f", float.hex(value)]
    if base is bytes:
        budget[0] -= len(value) >> 4
        return ["b", bytes.hex(value)]
    if base is complex:
        return ["c", float.hex(value.real), float.hex(value.imag)]
    if base in (dict, set, frozenset) and base.__len__(value) > KEYS:
        raise Unserialisable("A checked value has more than 20,000 keys")
    if base is dict:
        items = list(dict.items(value))
        return ["d", [[encode(k, depth + 1, budget), encode(v, depth + 1, budget)] for k, v in items]]
    tag = {list: "l", tuple: "t", set: "s", frozenset: "z"}.get(base)
    if tag is not None:
        return [tag, [encode(item, depth + 1, budget) for item in base.__iter__(value)]]
    found = typed(value, kind, depth, budget)
    if found is None:
        raise Unserialisable("A checked value is a %s, not a literal" % kind.__name__)
    return found


def whole(number: int) -> int:
    if number.bit_length() > BITS:
        raise Unserialisable("A checked int has more than 10,000 bits")
    return number


LITERALS = (int, str, float, bytes, complex, dict, list, tuple, set, frozenset)


def literal_type(kind: Any) -> Any:
    """The built-in type whose data and equality `kind` has, else None."""
    for base in LITERALS:
        if kind is base or (issubclass(kind, base) and kind is not bool and same_equality(kind, base)):
            return base
    return None


def same_equality(kind: Any, base: Any) -> bool:
    if kind.__eq__ is base.__eq__ and kind.__ne__ is base.__ne__:
        return True
    return kind.__module__ == "numpy" and base in (str, bytes)


# The standard library's types that are literals in all but syntax, bound before any program runs. Only these very
# types: a subclass may compare as it likes.
def decimal_text(value: Any) -> str:
    text = str(value)
    exponent = value.as_tuple().exponent
    if len(text) > 3000 or value.is_snan() or (isinstance(exponent, int) and abs(exponent) > 3000):
        raise Unserialisable("A checked Decimal has too many digits")
    return text


def offset_of(moment: Any) -> Any:
    """Seconds from UTC; other time zones than fixed ones aren't literals."""
    zone = moment.tzinfo
    if zone is None:
        return None
    if type(zone) is not datetime.timezone:
        raise Unserialisable("A checked time has the time zone %s" % zone)
    return float.hex(zone.utcoffset(None).total_seconds())


def counted(value: Any, inner: Any) -> Any:
    if 0 in value.values() or len(value) > KEYS:
        raise Unserialisable("A checked Counter has zeros, which releases compare differently")
    return ["@Counter", [[inner(k), inner(v)] for k, v in dict.items(value)]]


CODERS: Dict[Any, Any] = {
    datetime.date: lambda v, _: ["@date", v.year, v.month, v.day],
    datetime.datetime: lambda v, _: ["@datetime", v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond,
                                     offset_of(v)],
    datetime.time: lambda v, _: ["@time", v.hour, v.minute, v.second, v.microsecond, offset_of(v)],
    datetime.timedelta: lambda v, _: ["@timedelta", v.days, v.seconds, v.microseconds],
    decimal.Decimal: lambda v, _: ["@Decimal", decimal_text(v)],
    fractions.Fraction: lambda v, _: ["@Fraction", whole(v.numerator), whole(v.denominator)],
    range: lambda v, _: ["@range", whole(v.start), whole(v.stop), whole(v.step)],
    slice: lambda v, inner: ["@slice", inner(v.start), inner(v.stop), inner(v.step)],
    type(...): lambda _, __: ["@Ellipsis"],
    collections.OrderedDict: lambda v, inner: ["@OrderedDict", [[inner(k), inner(i)] for k, i in v.items()]],
    collections.Counter: counted,
    collections.deque: lambda v, inner: ["@deque", [inner(i) for i in v]],
    uuid.UUID: lambda v, _: ["@UUID", v.hex],
    pathlib.PosixPath: lambda v, _: ["@Path", str(v)],
    pathlib.PurePosixPath: lambda v, _: ["@Path", str(v)],
}  # fmt: skip
CLASSES = (bool, *LITERALS, object, type(None), type, bytearray)


def decode(tagged: Any) -> Any:
    """The value of tagged JSON that the supervisor has looked at."""
    if not isinstance(tagged, list):
        return tagged
    tag, rest = tagged[0], tagged[1:]
    decoder = DECODERS.get(tag)
    if decoder is None:
        raise Unserialisable("A %s can't be made again in another process" % tag)
    return decoder(*rest)


def decoded_pairs(items: Any) -> Any:
    return [(decode(k), decode(v)) for k, v in items]


def decoded_zone(seconds: Any) -> Any:
    return None if seconds is None else datetime.timezone(datetime.timedelta(seconds=float.fromhex(seconds)))


def decoded_array(name: str, shape: List[int], data: Any) -> Any:
    numpy = importlib.import_module("numpy")
    if isinstance(data, str):
        flat = numpy.frombuffer(bytes.fromhex(data), numpy.dtype(name).newbyteorder("<")).astype(name)
    else:
        flat = numpy.empty(len(data), name)
        for i, item in enumerate(data):
            flat[i] = decode(item)
    return flat.reshape(shape)


def decoded_scalar(name: str, value: Any) -> Any:
    numpy = importlib.import_module("numpy")
    if name[0] in "mM":
        return numpy.array(value, "i8").astype(name)[()]
    return numpy.dtype(name).type(decode(value))


DECODERS: Dict[str, Any] = {
    "f": float.fromhex,
    "b": bytes.fromhex,
    "c": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "l": lambda items: [decode(i) for i in items],
    "t": lambda items: tuple(decode(i) for i in items),
    "s": lambda items: {decode(i) for i in items},
    "z": lambda items: frozenset(decode(i) for i in items),
    "d": lambda items: dict(decoded_pairs(items)),
    "@date": datetime.date,
    "@datetime": lambda *parts: datetime.datetime(*parts[:-1]).replace(tzinfo=decoded_zone(parts[-1])),
    "@time": lambda *parts: datetime.time(*parts[:-1]).replace(tzinfo=decoded_zone(parts[-1])),
    "@timedelta": datetime.timedelta,
    "@Decimal": decimal.Decimal,
    "@Fraction": fractions.Fraction,
    "@range": range,
    "@slice": lambda *parts: slice(*[decode(p) for p in parts]),
    "@Ellipsis": lambda: ...,
    "@OrderedDict": lambda items: collections.OrderedDict(decoded_pairs(items)),
    "@Counter": lambda items: collections.Counter(dict(decoded_pairs(items))),
    "@deque": lambda items: collections.deque([decode(i) for i in items]),
    "@UUID": lambda text: uuid.UUID(hex=text),
    "@Path": pathlib.PurePosixPath,
    "@array": decoded_array,
    "@scalar": decoded_scalar,
    "@dtype": lambda name: importlib.import_module("numpy").dtype(name),
}


def typed(value: Any, kind: Any, depth: int, budget: List[int]) -> Any:
    """One of numpy's or pandas' types, of a class made with `dataclass` or `Enum`, or a built-in class; else None."""

    def inner(item: Any) -> Any:
        return encode(item, depth + 1, budget)

    if kind is type:
        return ["@type", value.__name__] if value in CLASSES else None
    root = kind.__module__.partition(".")[0]
    if root == "numpy":
        return of_numpy(value, kind, inner, budget)
    if root == "pandas":
        return of_pandas(value, kind, inner, budget)
    if isinstance(kind, enum.EnumMeta):
        return ["@Member", kind.__name__, value.name] if same_equality(kind, object) and value.name else None
    fields = kind.__dict__.get("__dataclass_fields__")
    code = getattr(kind.__dict__.get("__eq__"), "__code__", None)
    if fields and code is not None and code.co_filename == "<string>":
        names = [f.name for f in dataclasses.fields(kind) if f.compare]
        return ["@Instance", kind.__name__, [[name, inner(getattr(value, name))] for name in names]]
    return None


def of_numpy(value: Any, kind: Any, inner: Any, budget: List[int]) -> Any:
    numpy: Any = sys.modules.get("numpy")
    if kind is getattr(numpy, "ndarray", None):
        return ["@array", *array_parts(value, inner, budget)]
    if isinstance(value, numpy.dtype):
        return ["@dtype", dtype_name(value)]
    if not isinstance(value, numpy.generic) or kind is not value.dtype.type:
        return None
    name = dtype_name(value.dtype)
    if name[0] in "Mm":
        return ["@scalar", name, int(value.astype("i8"))]
    return ["@scalar", name, inner(value.item())] if name[0] in "biufc" else None


def array_parts(value: Any, inner: Any, budget: List[int]) -> Any:
    name = dtype_name(value.dtype)
    budget[0] -= value.size
    if budget[0] < 0:
        raise Unserialisable("A checked array is too large")
    if name[0] in "USO":
        return [name, list(value.shape), [inner(item) for item in value.ravel().tolist()]]
    return [name, list(value.shape), value.astype(value.dtype.newbyteorder("<")).tobytes().hex()]


def dtype_name(dtype: Any) -> str:
    """`f8`, `U3`, `O`, `M8[ns]`."""
    name = dtype.str.lstrip("<>|=") if dtype.names is None else "V"
    if name[0] not in "biufcUSOMm" or name in ("f16", "c32", "f12", "c24"):
        raise Unserialisable("A checked value has numpy's type %s" % dtype)
    return "O" if name[0] == "O" else name


def of_pandas(value: Any, kind: Any, inner: Any, budget: List[int]) -> Any:
    pandas: Any = sys.modules.get("pandas")
    if value is pandas.NaT or value is getattr(pandas, "NA", None):
        return ["@Null", "NaT" if value is pandas.NaT else "NA"]
    if kind in (pandas.Timestamp, pandas.Timedelta):
        if value.nanosecond if kind is pandas.Timestamp else value.nanoseconds:
            raise Unserialisable("A checked time has nanoseconds")
        if kind is pandas.Timedelta:
            return inner(value.to_pytimedelta())
        moment = value.to_pydatetime()
        if moment.tzinfo is not None and str(moment.tzinfo) == "UTC":
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return inner(moment)
    release = int(pandas.__version__.split(".")[0])
    if kind is pandas.Series:
        return ["@Series", release, index_parts(value.index, inner, budget), column_parts(value, inner, budget),
                inner(value.name)]  # fmt: skip
    if kind is pandas.DataFrame:
        columns = [column_parts(value.iloc[:, i], inner, budget) for i in range(value.shape[1])]
        index, labels = (index_parts(i, inner, budget) for i in (value.index, value.columns))
        return ["@Frame", release, index, labels, columns]
    if isinstance(value, pandas.Index):
        return ["@Index", release, *index_parts(value, inner, budget)]
    return None


def index_parts(value: Any, inner: Any, budget: List[int]) -> Any:
    kind = type(value).__name__
    if kind not in ("Index", "RangeIndex", "Int64Index", "Float64Index", "UInt64Index"):
        raise Unserialisable("A checked value has a %s" % kind)
    return [kind, column_parts(value, inner, budget), inner(value.name)]


def column_parts(value: Any, inner: Any, budget: List[int]) -> Any:
    budget[0] -= len(value)
    if budget[0] < 0:
        raise Unserialisable("A checked value is too large")
    dtype = str(value.dtype)
    if dtype not in ("object", "str", "bool") and not re.match(r"u?int\d+$|float\d+$|complex\d+$", dtype):
        raise Unserialisable("A checked value has pandas' type %s" % dtype)
    return [dtype, [inner(item) for item in value.tolist()]]


# ---------------------------------------------------------------------------------------------------- what happened


class Recorder:
    """Records warnings, and (where asked) which functions and classes of the environment's libraries were called.

    Functions written in Python are known by their code; classes, and what is written in C, as they are called. Python
    3.12 and later show all of these calls; before, an object that is called (`numpy.add`) shows only what it calls.
    """

    def __init__(self, libraries: List[str], prefix: str) -> None:
        self.codes: set[Any] = set()
        self.objects: Dict[int, Any] = {}
        self.methods: set[Tuple[Any, str]] = set()
        self.seen: Dict[Tuple[str, str, int], None] = {}
        self.libraries = frozenset(libraries)
        self.folders = tuple(os.path.join(prefix, name) + end for name in libraries for end in (os.sep, ".py"))
        self.prefix = prefix
        self.tracing: Any = None

    def start(self) -> None:
        warnings.showwarning = self.warned
        if self.folders:
            self.monitor() if hasattr(sys, "monitoring") else self.profile()

    def monitor(self) -> None:
        """Python 3.12 and later: each function once, and the calls of each place in the program until they are many."""
        monitoring = self.tracing = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        disable, add, note, left = monitoring.DISABLE, self.codes.add, self.note, [TRACED_C_CALLS]

        def started(code: Any, _: int) -> Any:
            add(code)
            return disable

        def calling(code: Any, _: int, function: Any, __: Any) -> Any:
            note(function)
            left[0] -= 1
            # A place in a library calls the same function again and again; a loop of the program may call many.
            return disable if left[0] < 0 or not code.co_filename.startswith(WORK) else None

        monitoring.use_tool_id(monitoring.PROFILER_ID, "driftune")
        monitoring.restart_events()
        events = monitoring.events
        monitoring.register_callback(monitoring.PROFILER_ID, events.PY_START, started)
        monitoring.register_callback(monitoring.PROFILER_ID, events.CALL, calling)
        monitoring.set_events(monitoring.PROFILER_ID, events.PY_START | events.CALL)

    def profile(self) -> None:
        """Before Python 3.12: every call, until they are many."""
        add, note, left = self.codes.add, self.note, [TRACED_CALLS, TRACED_C_CALLS]

        def called(frame: Any, event: str, function: Any) -> None:
            if event == "call":
                code = frame.f_code
                add(code)
                if code.co_name == "__init__" and code.co_argcount:
                    note(type(frame.f_locals.get(code.co_varnames[0])))
                left[0] -= 1
                if left[0] < 0:
                    sys.setprofile(None)
            elif event == "c_call" and left[1] > 0:
                note(function)
                left[1] -= 1

        self.tracing = sys
        sys.setprofile(called)

    def note(self, function: Any) -> None:
        """Remember what was called, without keeping a program's objects alive and without running its code."""
        kind = type(function)
        if kind in IN_PYTHON or id(function) in self.objects:
            return
        if kind is types.BuiltinFunctionType:
            owner = function.__self__
            if owner is None or type(owner) is types.ModuleType:
                self.objects[id(function)] = function
            elif not isinstance(owner, type):
                self.methods.add((type(owner), function.__name__))
        elif kind is types.MethodDescriptorType:
            self.methods.add((function.__objclass__, function.__name__))
        elif isinstance(function, type):
            if MODULE_OF(function).partition(".")[0] in self.libraries:
                self.objects[id(function)] = function
        elif kind.__module__.partition(".")[0] in self.libraries or "cython" in kind.__name__:
            self.objects[id(function)] = function

    def stop(self) -> None:
        if self.tracing is sys:
            sys.setprofile(None)
        elif self.tracing is not None:
            self.tracing.set_events(self.tracing.PROFILER_ID, 0)
            self.tracing.free_tool_id(self.tracing.PROFILER_ID)
        self.tracing = None

    def warned(
        self, message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        if len(self.seen) >= 100:
            return
        frame: Any = sys._getframe()
        nearest = 0
        while frame is not None:
            if os.path.dirname(frame.f_code.co_filename) == WORK:
                nearest = frame.f_lineno
                break
            frame = frame.f_back
        if frame is None and os.path.dirname(filename) == WORK:
            nearest = lineno
        self.seen.setdefault((category.__name__, text_of(message), nearest), None)

    def evidence(self) -> Frame:
        found = [{"category": c, "message": m, "line": n} for c, m, n in self.seen]
        try:
            symbols = sorted(self.symbols())
        except BaseException:  # names are evidence of honest programs: one that breaks them has none
            symbols = []
        return {"warnings": found, "symbols": symbols}

    def symbols(self) -> set[str]:
        names = {name for kind, name in self.methods for name in self.method_names(kind, name)}
        homes = {i: own_names(o) for i, o in self.objects.items()}
        names.update(*homes.values())
        names = {name for name in names if name.partition(".")[0] in self.libraries}
        names |= self.exported({i for i, found in homes.items() if not any(map(self.is_foreign, found))})
        qualified = {} if hasattr(types.CodeType, "co_qualname") else self.qualified()
        for code in list(self.codes):
            path = code.co_filename
            if not path.startswith(self.folders) or "<" in code.co_name or not code.co_flags & CO_OPTIMIZED:
                continue  # the body of a class, or of a module, is run where it is imported
            name = getattr(code, "co_qualname", None) or qualified.get(code, code.co_name)
            if "<" in name:
                continue
            parts = os.path.splitext(os.path.relpath(path, self.prefix))[0].split(os.sep)
            if parts[-1] == "__init__":
                parts.pop()
            names.add(".".join([*parts, name]))
            if name.endswith((".__init__", ".__new__")):
                names.add(".".join([*parts, name.rsplit(".", 1)[0]]))
        return names

    def method_names(self, kind: Any, name: str) -> List[str]:
        owners = [c for c in kind.__mro__ if name in vars(c)]
        return ["%s.%s.%s" % (MODULE_OF(c), QUALNAME_OF(c), name) for c in owners[:1]]

    def is_foreign(self, path: str) -> bool:
        """Whether a name is of another library's, or the standard library's, that is there."""
        home = path.partition(".")[0]
        return home not in self.libraries and home in sys.modules

    def exported(self, objects: set[int]) -> set[str]:
        """The shortest name under which a library's modules show each object: C functions hide where they come from."""
        found: Dict[int, str] = {}
        for module in self.modules() if objects else ():
            for name, value in list(vars(module).items()):
                if id(value) in objects and not name.startswith("_"):
                    path = "%s.%s" % (module.__name__, name)
                    known = found.get(id(value))
                    if known is None or (path.count("."), path) < (known.count("."), known):
                        found[id(value)] = path
        return set(found.values())

    def modules(self) -> List[types.ModuleType]:
        named = [(n, m) for n, m in sorted(sys.modules.items()) if n.partition(".")[0] in self.libraries]
        return [m for n, m in named if type(m) is types.ModuleType and m.__name__ == n]

    def qualified(self) -> Dict[Any, str]:
        """Before Python 3.11, code doesn't know its class: the functions of the libraries, and of their classes, do."""
        found: Dict[Any, str] = {}
        files = {code.co_filename for code in self.codes}
        for module in self.modules():
            for value in list(vars(module).values()) if vars(module).get("__file__") in files else ():
                members = list(vars(value).values()) if type(value) is type else [value]
                for member in members:
                    if type(member) is property:
                        member = member.fget
                    elif type(member) in (staticmethod, classmethod):
                        member = member.__func__
                    while type(member) is types.FunctionType and member.__code__ not in found:
                        found[member.__code__] = member.__qualname__
                        member = member.__dict__.get("__wrapped__")
        return found


CO_OPTIMIZED = 1
IN_PYTHON = (types.FunctionType, types.MethodType)
MODULE_OF = vars(type)["__module__"].__get__  # asks the class itself, whatever its metaclass would say
QUALNAME_OF = vars(type)["__qualname__"].__get__


def own_names(function: Any) -> List[str]:
    """What a class, or a function written in C, says that it is called."""
    if isinstance(function, type):
        return ["%s.%s" % (MODULE_OF(function), QUALNAME_OF(function))]
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", "")
    homes = [getattr(getattr(function, "__self__", None), "__name__", None), getattr(function, "__module__", None)]
    return ["%s.%s" % (home, name) for home in homes if isinstance(home, str) and isinstance(name, str)]


if __name__ == "__main__":
    main()
