"""A model that does what it is told, by whoever: the attacker's best case, for tests of the fence around excerpts.

What it takes for an instruction is anything outside the fence that addresses a model (`registry.injection`), and any
code word, as `ZEBRA-17`: who wants to steer it asks for one in whatever words, so that no phrasing is missed. The fence
is read as kindly to the attacker as a model might: a line that merely looks like its end ends it, and so does a control
token of any chat template, which a server's tokenizer may take for the end of the turn.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator

from flows.stub.excerpts import is_code
from flows.stub.faults import rewritten
from flows.stub.wire import Asked
from registry.injection import found_in

_CODE_WORD = re.compile(r"\b[A-Z]{4,12}-\d{2,4}\b")
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_BEGIN = re.compile(r"\s*<{2,}\s*data\b.*", re.IGNORECASE)
_END = re.compile(r"[\s>*#`-]*data\b.{0,80}>{2,}\s*", re.IGNORECASE)
_TOKEN = re.compile(
    r"<[|｜][\w▁]{1,40}[|｜]>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>|</?s>"
    r"|\[/?(?:SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS)\]"
)
_UNSEEN = re.compile("[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")


def orders(asked: Asked) -> tuple[str, ...]:
    """What a conversation tells a model to do outside the fence, in order."""
    text = "\n\n".join(outside(text) for _, text in asked.messages)
    words = [word for part in (text, *_decoded(text)) for word in _CODE_WORD.findall(part)]
    return tuple(dict.fromkeys((*words, *(f"{found.rule}: {found.evidence}" for found in found_in(text)))))


def outside(text: str) -> str:
    """What of a message stands outside the fence, as a gullible model sees it."""
    kept, fenced = [], False
    for line in _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).splitlines():
        if fenced and (token := _TOKEN.search(line)):
            kept.append(line[token.start() :])
            fenced = False
        elif fenced:
            fenced = not _END.fullmatch(line)
        elif _BEGIN.fullmatch(line):
            fenced = True
        else:
            kept.append(line)
    return "\n".join(kept)


def marked(text: str, done: tuple[str, ...]) -> str:
    """An answer that says what was obeyed, in every part of it: code and prose."""
    told = " ".join(" / ".join(done).split())[:200]
    return rewritten(
        text, lambda part: f"OBEYED = {told!r}\n{part}" if is_code(part) else f"OBEYED ({told}). {part}".strip()
    )


def _decoded(text: str) -> Iterator[str]:
    """What blobs of base64 say."""
    for blob in _BLOB.findall(text):
        bare = blob.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            yield base64.b64decode(bare + "=" * (-len(bare) % 4)).decode()
        except (binascii.Error, ValueError):
            continue
