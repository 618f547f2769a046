"""Files and batches, as far as a batch of chat completions needs them. All in memory, and gone with the server."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from itertools import count
from typing import Any

from flows.stub.served import Sent, Stub, read
from flows.stub.wire import RefusedError

MOST_FILES, MOST_LINES = 1_000, 50_000
"""Files that are kept, and requests of a batch."""

ENDPOINT = "/v1/chat/completions"
"""What a batch may ask."""


@dataclass
class Batches:
    """What was uploaded and what became of it.

    Attributes:
        stub: What answers.
    """

    stub: Stub
    _files: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    _batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def upload(self, kind: str, body: bytes) -> dict[str, Any]:
        """Takes a file from a form's body.

        Raises:
            RefusedError: It is no form with a purpose of `batch` and a file, or there are too many.
        """
        form = _form(kind, body)
        if form.get("purpose", ("", b""))[1] != b"batch" or "file" not in form:
            raise RefusedError(400, "Send a form with a purpose of 'batch' and a file")
        if len(self._files) >= MOST_FILES:
            raise RefusedError(400, f"The stub keeps {MOST_FILES} files: delete some")
        return self._keep(*form["file"], "batch")

    def file(self, name: str) -> tuple[dict[str, Any], bytes]:
        """A file and its bytes.

        Raises:
            RefusedError: There is none.
        """
        if name not in self._files:
            raise RefusedError(404, f"No such File object: {name}", param="id")
        return self._files[name]

    def delete(self, name: str) -> dict[str, Any]:
        """Removes a file.

        Raises:
            RefusedError: There is none.
        """
        self.file(name)
        del self._files[name]
        return {"id": name, "object": "file", "deleted": True}

    def create(self, body: Any, authorization: str) -> dict[str, Any]:
        """Begins a batch.

        Raises:
            RefusedError: It isn't asked as it should be, or its file isn't there.
        """
        told = body if isinstance(body, dict) else {}
        if told.get("endpoint") != ENDPOINT or told.get("completion_window") != "24h":
            raise RefusedError(400, f"A batch needs an endpoint of {ENDPOINT} and a completion_window of 24h")
        _, data = self.file(str(told.get("input_file_id")))
        lines = [line for line in data.splitlines() if line.strip()]
        batch = _batch(f"batch_{next(self._numbers)}", told, len(lines))
        self._batches[batch["id"]] = batch
        if not 0 < len(lines) <= MOST_LINES:
            batch.update(status="failed", failed_at=_now(), errors=_told(f"A batch has 1 to {MOST_LINES} lines"))
        else:
            self._running[batch["id"]] = asyncio.create_task(self._run(batch, lines, authorization))
        return batch

    def batch(self, name: str) -> dict[str, Any]:
        """A batch as it stands.

        Raises:
            RefusedError: There is none.
        """
        if name not in self._batches:
            raise RefusedError(404, f"No batch found with id '{name}'", param="id")
        return self._batches[name]

    def batches(self) -> dict[str, Any]:
        """All of them, the newest first."""
        data = list(self._batches.values())[::-1]
        return {"object": "list", "data": data, "has_more": False}

    def cancel(self, name: str) -> dict[str, Any]:
        """Stops a batch that is running.

        Raises:
            RefusedError: There is none.
        """
        batch = self.batch(name)
        if batch["status"] == "in_progress":
            self._running[name].cancel()
            batch.update(status="cancelled", cancelled_at=_now())
        return batch

    async def _run(self, batch: dict[str, Any], lines: list[bytes], authorization: str) -> None:
        batch.update(status="in_progress", in_progress_at=_now())
        headers = {"authorization": authorization} if authorization else {}
        done = await asyncio.gather(*(self._line(line, headers) for line in lines))
        right = [line for line in done if line["error"] is None and line["response"]["status_code"] == 200]
        wrong = [line for line in done if line not in right]
        for name, found in (("output_file_id", right), ("error_file_id", wrong)):
            if found:
                text = "".join(f"{json.dumps(line)}\n" for line in found)
                batch[name] = self._keep(f"{batch['id']}.jsonl", text.encode(), "batch_output")["id"]
        counts = {"total": len(lines), "completed": len(right), "failed": len(wrong)}
        batch.update(status="completed", completed_at=_now(), request_counts=counts)

    async def _line(self, line: bytes, headers: dict[str, str]) -> dict[str, Any]:
        told: Any = None
        try:
            told = read(line)
            sent = await self.stub.answer(json.dumps(_body(told)).encode(), headers)
        except RefusedError as refused:
            sent = Sent(refused.status, refused.body)
        name = str(told.get("custom_id", "")) if isinstance(told, dict) else ""
        shape: dict[str, Any] = {"id": f"batch_req_{next(self._numbers)}", "custom_id": name, "response": None}
        if sent.way != "whole":
            return {
                **shape,
                "error": {"code": "batch_expired", "message": "This request could not be executed in time"},
            }
        said = {"status_code": sent.status, "request_id": shape["id"], "body": sent.body}
        return {**shape, "response": said, "error": None}

    def _keep(self, name: str, data: bytes, purpose: str) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": f"file-{next(self._numbers)}",
            "object": "file",
            "bytes": len(data),
            "created_at": _now(),
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        }
        self._files[told["id"]] = told, data
        return told


def _body(told: Any) -> Any:
    """What a line of a batch asks.

    Raises:
        RefusedError: It is no request for a completion.
    """
    if not isinstance(told, dict) or told.get("method") != "POST" or told.get("url") != ENDPOINT:
        raise RefusedError(400, f"A line has a custom_id, a method of POST, a url of {ENDPOINT}, and a body")
    return told.get("body")


def _batch(name: str, told: dict[str, Any], total: int) -> dict[str, Any]:
    later = dict.fromkeys(
        ("in_progress_at", "completed_at", "failed_at", "cancelled_at", "expired_at", "output_file_id", "error_file_id")
    )
    return {
        "id": name,
        "object": "batch",
        "endpoint": ENDPOINT,
        "errors": None,
        "input_file_id": told["input_file_id"],
        "completion_window": "24h",
        "status": "validating",
        "created_at": _now(),
        **later,
        "request_counts": {"total": total, "completed": 0, "failed": 0},
        "metadata": told.get("metadata"),
    }


def _told(message: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"code": "invalid_request", "message": message, "param": None, "line": None}]}


def _form(kind: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """The fields of a multipart form: name -> file name and bytes."""
    message = BytesParser(policy=policy.HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    found: dict[str, tuple[str, bytes]] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(data, bytes):
            found[name] = part.get_filename() or "", data
    return found


def _now() -> int:
    return int(time.time())
