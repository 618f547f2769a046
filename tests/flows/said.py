"""A writer and an endpoint for tests of the stage that writes: what is asked, counted to the token, and nothing proven.

Run as a program it does the stage once: `python -m tests.flows.said HOME URL [DELAY]`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flows import running
from flows.authoring import write_stage
from flows.batches import perform
from flows.house import House
from flows.scraping import compare_key, releases, scrape_key
from flows.synthesis import derive_key, mine_key
from registry.domain import Domain
from registry.records import Environment, Example, Page, Release
from registry.settings import Settings
from synth.llm import Request
from synth.written import writers
from synth.written.dialogue import Desk, Dialogue, Ending, Subject

OLD, NEW = (Release(library="lib", version=v, artifact_sha256=v * 64) for v in "12")
URL = "pypi://lib/2/lib-2.whl/lib/a.py"
PAGE = Page(release=NEW.id, url=URL, content_hash="a", kind="source", path="lib/a.py", markdown="x = 1", licence="MIT")
SUBJECTS = 12


class Plain:
    """Asks twice about each subject, and makes a row without a program of the answers; every other one of the page."""

    name, version = "plain", "1"

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """As many subjects as the desk knows no rows of."""
        return (Subject(f"lib.f{n}", (desk.new.digest, str(n)), n) for n in range(SUBJECTS))

    def write(self, desk: Desk, subject: Subject) -> Dialogue:
        """What is said of it, at once and then again."""
        said = ""
        for turn in ("first", "then"):
            reply = yield Request(f"plain/{turn}@1", ({"role": "user", "content": f"{subject.name} {said}"},), 50)
            if reply.outcome != "ok":
                return Ending(outcome=reply.outcome, detail=reply.detail)
            said = reply.text
        if said.startswith("unlucky"):
            raise KeyError("unlucky")
        parts = {"text": said}
        parents = tuple(page.id for page in desk.pages) if subject.about % 2 else ()
        row = Example(
            domain=desk.domain, kind="text", releases=(desk.new.id,), parts=parts, file="f", root=subject.name,
            generator="plain", generator_version="1", parents=parents,
        )  # fmt: skip
        return Ending((row,))


@dataclass
class Endpoint:
    """Answers everything, and counts what it charged.

    Attributes:
        delay: Seconds that an answer takes.
        unlucky: What a message begins with that is answered by what its writer can't take.
        charged: What was charged for each request: (message, tokens).
    """

    delay: float = 0.0
    unlucky: str = "none"
    charged: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""

    @property
    def tokens(self) -> int:
        """All tokens that were charged."""
        return sum(tokens for _, tokens in self.charged)

    def answer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A completion that says how long the message was."""
        message = body["messages"][-1]["content"]
        usage = {"prompt_tokens": len(message), "completion_tokens": 3, "total_tokens": len(message) + 3}
        name = "unlucky" if message.startswith(self.unlucky) else message.split()[0]
        said = {"role": "assistant", "content": f"{name} is {len(message)}"}
        self.charged.append((message, usage["total_tokens"]))
        choice = {"index": 0, "finish_reason": "stop", "message": said}
        return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


@contextmanager
def endpoint(delay: float = 0.0) -> Iterator[Endpoint]:
    """An endpoint on loopback."""
    made = Endpoint(delay)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = made.answer(body)
            time.sleep(made.delay)
            self._say(said)

        def do_GET(self) -> None:
            models = [{"id": "m", "object": "model", "created": 1, "owned_by": "tests"}]
            self._say({"object": "list", "data": models})

        def _say(self, said: Any) -> None:
            data = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def house(home: Path, url: str = "", **llm: Any) -> House:
    """A domain with one mined row, whose LLM is at an address."""
    told = {"model": "m", "base_url": url, "concurrency": 4, **llm} if url else {}
    text = {"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}, "llm": told}
    return House(Domain.model_validate(text), Settings(home=home))


def scraped(home: Path) -> None:
    """Makes a lake in which there is a row to start from."""
    made = house(home)
    for release in (OLD, NEW):
        key = scrape_key(made, made.library.source[0], release.version)
        pages = [PAGE] if release.id == NEW.id else []
        made.finish("scrape", "pypi", [key], [release, *pages], time.monotonic(), {"release": release.id})
    made.finish("scrape", "changes", [compare_key(made)], [], time.monotonic())
    row = Example(
        domain="d", kind="text", releases=(NEW.id,), parts={"text": "mined"}, file="f", root="r", generator="g",
        generator_version="1",
    )  # fmt: skip
    for release in releases(made):
        made.finish("synth", "g", [mine_key(made, release)], [row] if release.id == NEW.id else [], time.monotonic())
    made.finish("synth", "g", [derive_key(made)], [], time.monotonic())


PLAIN = {"plain": "tests.flows.said:Plain"}
"""The table of writers where there is no other."""


def nowhere(_house: House, _release: Release) -> Any:
    """The environment of a library that isn't there: nothing is run."""
    return SimpleNamespace(record=Environment(python="3", requirements=(), settings={}))


if __name__ == "__main__":
    writers.BUILT_IN, running.environment = PLAIN, nowhere
    perform(write_stage, house(Path(sys.argv[1]), sys.argv[2]))
