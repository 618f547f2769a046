"""What may be in an adapter: safetensors, JSON and text, under plain names.

A file is known by what is in it, not by its name: a pickle is refused whatever it is called, as is all that isn't one
of the three. What is guaranteed of a version that passed: no path leaves its folder or means two files, weights have a
header that safetensors allows and nothing beside the tensors that it lists, and `adapter_config.json` names no module
to be imported and no pattern that takes for ever. Not guaranteed: that the numbers in it make a good adapter; that is
what fingerprint, canary and signature are for.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pickletools
import re
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.errors import TrustError

WEIGHTS_SUFFIX = ".safetensors"
CONFIG = "adapter_config.json"
MAX_FILES = 1_000
MAX_TEXT = 16 << 20
"""Bytes of a file that isn't weights, at most."""
MAX_HEADER = 4 << 20
"""Bytes of a header of safetensors, at most: a tensor takes about 170, an adapter of 70 billion weights has 1,120."""
MAX_RANK = 4_096
"""Of an adapter's matrices, which peft makes before it reads the weights."""
_MAX_NAME, _MAX_PATH = 200, 400
_MAX_PATTERN = 200
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Kinds of numbers in safetensors 0.8, and their bits."""
_PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(6))
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")
_CALLS = frozenset(("GLOBAL", "INST", "STACK_GLOBAL", "REDUCE", "OBJ", "NEWOBJ", "BUILD", "EXT1", "EXT2", "EXT4"))
_OPCODES = 10_000
"""What reads as so many steps of a pickle is no text, wherever it would end."""
_PLAIN = re.compile(r"[\w.^$\\-]*")
"""Patterns that peft may be given: names, with dots; nothing that repeats can take for ever."""


def check_names(names: Iterable[str], where: str) -> None:
    """Check the paths of a version's files.

    Args:
        names: As its manifest has them, relative to its folder.
        where: What they are of, for the message.

    Raises:
        TrustError: One leaves the folder or isn't plain, two mean one file where case doesn't count, or there are
            too many.
    """
    seen: dict[str, str] = {}
    for count, name in enumerate(names, 1):
        if why := _unfit(name):
            raise TrustError(f"{where} names a file {str(name)[:120]!r}: {why}", fault="path", path=str(name)[:120])
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name or len(seen) < count:
            raise TrustError(f"{where} names {name!r} twice, once as {other!r}", fault="path", path=name)
        if count > MAX_FILES:
            raise TrustError(f"{where} has more than {MAX_FILES:,} files", fault="size")


def _unfit(name: Any) -> str:
    """Why a path isn't a plain relative one; empty where it is."""
    if not isinstance(name, str) or not name:
        return "a file has a name"
    if len(name.encode("utf-8", "surrogatepass")) > _MAX_PATH:
        return f"it is longer than {_MAX_PATH} bytes"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in name):
        return "it has characters that can't be seen"
    if "\\" in name or ":" in name:
        return "it has a backslash or a colon"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "it climbs out of its folder, is absolute, or has empty parts"
    if any(len(part.encode()) > _MAX_NAME or part != part.strip() or part.endswith(".") for part in parts):
        return "a part of it is too long, or has a space or dot at its end"
    return ""


def check_file(path: Path, name: str) -> None:
    """Check what is in a file.

    Args:
        path: Where it lies.
        name: Its name in the version.

    Raises:
        TrustError: It is a link, a pickle, weights with a bad header, or none of safetensors, JSON and text.
    """
    check_plain(path)
    size = path.stat().st_size
    if not name.endswith(WEIGHTS_SUFFIX) and size > MAX_TEXT:
        raise TrustError(f"{name} at {path} has {size:,} bytes, {MAX_TEXT:,} are allowed", fault="size", path=name)
    try:
        if name.endswith(WEIGHTS_SUFFIX):
            check_weights(path, name)
        else:
            check_text(path.read_bytes(), name, path)
    except TrustError as error:  # weights may begin as a pickle does: it is the length of their header
        if not is_pickle(path):
            raise
        raise TrustError(
            f"{name} at {path} is a pickle or an archive, which can run code when it is loaded: only safetensors, JSON "
            "and text may be in an adapter. Save it with save_pretrained(…, safe_serialization=True)",
            fault="pickle",
            path=name,
        ) from error


def check_plain(path: Path) -> None:
    """Check that what is at a path, if anything, is a file that leads nowhere else.

    Raises:
        TrustError: It is a link, a pipe, a device, a folder.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "no file"
        raise TrustError(f"{path.name} at {path} is {kind}: adapters hold files only", fault="symlink", path=path.name)


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle of any protocol, or an archive as `torch.save` and `numpy` write them."""
    with path.open("rb") as file:
        start = file.read(MAX_TEXT)
    return start.startswith(_PICKLE + _ARCHIVES) or _steps(start)


def _steps(data: bytes) -> bool:
    """Whether bytes, which may all be letters, are the steps of a pickle."""
    called = False
    with contextlib.suppress(ValueError, OverflowError, UnicodeError):  # as of nearly every text
        for count, (opcode, _, at) in enumerate(pickletools.genops(io.BytesIO(data))):
            called |= opcode.name in _CALLS
            if opcode.name == "STOP":
                return called or not data[(at or 0) + 1 :].strip()
            if count == _OPCODES:
                return True
    return False


def check_weights(path: Path, name: str) -> None:
    """Check the header of weights: eight bytes with its length, then JSON, then the tensors without a gap.

    Raises:
        TrustError: It isn't what safetensors allows.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 10 or not 2 <= length <= min(MAX_HEADER, size - 8):
                raise ValueError(f"its header would have {length:,} bytes of {size:,}; {MAX_HEADER:,} are allowed")
            header = file.read(length)
        if not header.startswith(b"{"):
            raise ValueError("its header is no object")
        _check_tensors(json.loads(header.decode(), object_pairs_hook=unique), size - 8 - length)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrustError(
            f"{name} at {path} is no safetensors file: {str(error)[:200]}", fault="safetensors", path=name
        ) from error


def _check_tensors(header: dict[str, Any], size: int) -> None:
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(value, str) for value in about.values()):
        raise ValueError("its metadata isn't text")
    end = 0
    for start, stop, name, told in sorted((*_span(told), name, told) for name, told in header.items()):
        shape, bits = told["shape"], _BITS.get(told["dtype"])
        if not isinstance(shape, list) or not all(_whole(n) for n in shape) or bits is None or len(shape) > 16:
            raise ValueError(f"tensor {name!r} has the shape {str(shape)[:80]} of {str(told['dtype'])[:20]!r}")
        if start != end or (stop - start) * 8 != math.prod(shape) * bits:
            raise ValueError(f"tensor {name!r} isn't where the one before ends, or not as long as its shape says")
        end = stop
    if end != size:
        raise ValueError(f"its tensors take {end:,} bytes, and {size:,} are there")


def _span(told: Any) -> tuple[int, int]:
    start, stop = told["data_offsets"]
    if set(told) != {"dtype", "shape", "data_offsets"} or not _whole(start) or not _whole(stop) or stop < start:
        raise ValueError(f"a tensor is described by {str(told)[:80]}")
    return start, stop


def _whole(number: Any) -> bool:
    return type(number) is int and 0 <= number < 1 << 48


def check_text(data: bytes, name: str, path: Path | str) -> None:
    """Check what is in a file that isn't weights.

    Args:
        data: Its bytes.
        name: Its name in the version.
        path: Where it lies, for the message.

    Raises:
        TrustError: It is no text, or JSON that isn't good.
    """
    try:
        text = data.decode()
        if "\0" in text:
            raise ValueError("it has zero bytes")
        if _steps(data):
            raise ValueError("it is a pickle")
    except ValueError as error:
        raise TrustError(
            f"{name} at {path} is no text ({error}): only safetensors, JSON and text may be in an adapter",
            fault="content",
            path=name,
        ) from error
    if name.endswith(".json"):
        _check_json(text, path, name)


def _check_json(text: str, path: Path | str, name: str) -> None:
    try:
        value = json.loads(text, object_pairs_hook=unique)
        if name.rpartition("/")[2] == CONFIG:
            _check_config(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise TrustError(f"{name} at {path} can't be taken: {str(error)[:200]}", fault="json", path=name) from error


def _check_config(config: Any) -> None:
    """Refuse what peft would import, or match for ever.

    Raises:
        ValueError: It is refused.
    """
    if not isinstance(config, Mapping):
        raise TypeError("it is no object")
    if config.get("peft_type") != "LORA":
        raise ValueError(f"it is of the kind {str(config.get('peft_type'))[:40]!r}, and only LORA is taken")
    ranks = [config.get("r") or 0, *(config.get("rank_pattern") or {}).values()]
    if not all(type(rank) is int and 0 <= rank <= MAX_RANK for rank in ranks):
        raise ValueError(f"its rank isn't up to {MAX_RANK:,}")
    _check_imports(config)
    patterns = [config.get(name) for name in ("target_modules", "exclude_modules", "feedforward_modules")]
    for name in ("layers_pattern", "modules_to_save", "rank_pattern", "alpha_pattern", "target_parameters"):
        patterns += _listed(config.get(name))
    for pattern in patterns:
        if isinstance(pattern, str) and (len(pattern) > _MAX_PATTERN or not _PLAIN.fullmatch(pattern)):
            raise ValueError(f"the pattern {pattern[:80]!r} isn't plain: list the names of modules instead")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, Mapping)) else [value]


def _check_imports(config: Mapping[str, Any]) -> None:
    if config.get("megatron_config") and config.get("megatron_core", "megatron.core") != "megatron.core":
        raise ValueError(f"it has peft import {str(config['megatron_core'])[:80]!r}")
    mapping = config.get("auto_mapping") or {}
    library = str(mapping.get("parent_library") or "transformers") if isinstance(mapping, Mapping) else ""
    if library.partition(".")[0] not in ("transformers", "peft"):
        raise ValueError(f"it has peft import {library[:80]!r}")


def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are there once: of two, readers take different ones. For `object_pairs_hook`.

    Raises:
        ValueError: One is there twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:80]!r} is there twice")
        found[name] = value
    return found


def legible(value: Any) -> Any:
    """A value of JSON, if none of its texts holds what can't be seen: it would reach a person's terminal.

    Raises:
        ValueError: One does.
    """
    if isinstance(value, str):
        unseen = "" if value.isascii() and value.isprintable() else value
        hidden = next((c for c in unseen if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"), None)
        if hidden is not None:
            raise ValueError(f"a text in it holds the character {hidden!r}")
    elif isinstance(value, Mapping):
        for name, each in value.items():
            legible(name)
            legible(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            legible(each)
    return value
