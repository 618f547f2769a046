"""What an answer's program does to whatever runs it, instead of its task: known from its text, before it runs.

The sandbox holds against such programs; but one that first attacks and then does what was asked passes, and is no row
to train on. So it is counted by a name of its own, `hostile`.

Guarantee: none. A program can hide what it does; what isn't seen here meets the wall, and ends as it ends there.
"""

from __future__ import annotations

import ast
import sys

from registry.names import dotted_name
from registry.trees import walk

_MODULES = frozenset({
    "_ctypes", "_posixsubprocess", "_thread", "atexit", "builtins", "cffi", "ctypes", "faulthandler", "fcntl", "gc",
    "mmap", "multiprocessing", "posix", "pty", "resource", "signal", "site", "socket", "subprocess", "syslog",
})  # fmt: skip
"""Modules that no task of a library needs, and nearly every attack does."""

_NAMES = frozenset({
    "os._exit", "os.abort", "os.kill", "os.killpg", "os.fork", "os.forkpty", "os.system", "os.popen", "os.setsid",
    "os.close", "os.closerange", "os.dup2", "os.write", "os.getppid", "os.setrlimit", "sys.exit", "sys._getframe",
    "sys._current_frames", "sys.setprofile", "sys.settrace", "sys.setrecursionlimit", "sys.meta_path",
    "sys.path_hooks", "sys.excepthook", "sys.modules", "sys.__stdout__", "sys.__stderr__", "sys.monitoring",
    "threading.settrace", "threading.excepthook", "exit", "quit", "SystemExit", "KeyboardInterrupt", "__import__",
    "__builtins__", "BaseException",
})  # fmt: skip
_PLAIN = frozenset({"exit", "quit"})
"""Those of them that are words too: a maze has an exit."""

_BEGINNINGS = ("os.exec", "os.spawn", "os.posix_spawn", "os.sched_", "os.set", "/proc/", "/dev/", "/sys/")
_FRAMES = frozenset({"f_back", "f_locals", "f_globals", "tb_frame", "gi_frame", "cr_frame", "__subclasses__"})


def attack_in(tree: ast.Module) -> str:
    """What of a program looks like an attack on what runs it; empty where nothing does."""
    imports = (alias for node in walk(tree) if isinstance(node, ast.Import) for alias in node.names)
    modules = {alias.asname or alias.name for alias in imports if alias.name in sys.stdlib_module_names}
    own = _own(tree)
    return next((found for node in walk(tree) if (found := _attack(node, modules)) and found not in own), "")


def _own(tree: ast.Module) -> frozenset[str]:
    """Those of `_PLAIN` that a program binds itself, as an argument or a variable: then they are words like others."""
    bound = {node.arg for node in walk(tree) if isinstance(node, ast.arg)}
    bound |= {n.id for n in walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return _PLAIN & bound


def _attack(node: ast.AST, modules: set[str]) -> str:
    if isinstance(node, ast.Import):
        return next((a.name for a in node.names if a.name.partition(".")[0] in _MODULES), "")
    if isinstance(node, ast.ImportFrom):
        paths = [f"{node.module}.{alias.name}" for alias in node.names]
        return next((path for path in paths if path.partition(".")[0] in _MODULES or _is_known(path)), "")
    if isinstance(node, ast.Name | ast.Attribute):
        return _used(node, modules)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value[:60] if node.value.startswith(_BEGINNINGS[-3:]) else ""
    return "__eq__ is always true" if isinstance(node, ast.FunctionDef) and _agrees(node) else ""


def _used(node: ast.Name | ast.Attribute, modules: set[str]) -> str:
    """A name that is known, a look into frames, or a module of Python's own that gets another function."""
    path = dotted_name(node) or ""
    if _is_known(path) or (isinstance(node, ast.Attribute) and node.attr in _FRAMES):
        return path or ast.unparse(node)[:60]
    is_bound = isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
    return f"{path} is replaced" if is_bound and path.rpartition(".")[0] in modules else ""


def _is_known(path: str) -> bool:
    return path in _NAMES or path.startswith(_BEGINNINGS)


def _agrees(node: ast.FunctionDef) -> bool:
    """Whether it is a comparison that says yes to everything."""
    last = node.body[-1]
    return (
        node.name in ("__eq__", "__bool__")
        and isinstance(last, ast.Return)
        and isinstance(last.value, ast.Constant)
        and last.value.value is True
        and len(node.body) <= 2
    )
