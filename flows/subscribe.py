"""`driftune subscribe`: which action, on which versions, and when to look."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from flows.subscribing.checked import Checked
from flows.subscribing.command import Command
from flows.subscribing.folder import Folder
from flows.subscribing.loop import follow
from flows.subscribing.memory import Memory, remembered
from flows.subscribing.vllm import Mover, Serving
from flows.subscribing.vllm_api import Vllm
from flows.subscribing.waking import Waking
from flows.subscribing.wanted import Wanted
from flows.subscribing.webhook import register
from registry.errors import ConfigurationError
from registry.records import Adapter
from registry.settings import Settings
from registry.store import Store

ACTIONS = ("into", "command", "vllm", "webhook")
OPTIONS = "--into FOLDER, --exec COMMAND, --vllm URL or --webhook URL"


@dataclass(frozen=True)
class Request:
    """What the command line says.

    Attributes:
        wanted: What is followed.
        into: A folder that holds the newest version.
        command: A command that is run for each.
        vllm: Address of a vLLM that is moved to each.
        webhook: Address that the registry's server posts to.
        check: Whether a version must give its stored answers on the subscriber's base first.
        once: Look once, then return.
        every: Seconds between two looks.
        limit: Seconds that the command may take.
        adapters: Folder that vLLM reads adapters from; one in the home folder where null.
        seen_as: What vLLM calls that folder, where it calls it otherwise.
        dtype: What the base's weights are in vLLM.
        name_file: File that is told the name that clients ask for.
        grace: Seconds that clients get to ask for the new name.
        drain: Seconds that requests of the old one get after that.
    """

    wanted: Wanted
    into: Path | None = None
    command: str | None = None
    vllm: str | None = None
    webhook: str | None = None
    check: bool = False
    once: bool = False
    every: float = 60.0
    limit: float = 600.0
    adapters: Path | None = None
    seen_as: str = ""
    dtype: str = "bfloat16"
    name_file: Path | None = None
    grace: float = 5.0
    drain: float = 300.0

    def __post_init__(self) -> None:
        named = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(named) != 1:
            raise ConfigurationError(f"Say one thing to do with a new version: {OPTIONS}")
        if self.check and (self.wanted.folder is None or (self.into, self.command) == (None, None)):
            raise ConfigurationError(
                "--check loads the adapter here: give the base's folder with --base, and --into or --exec (--vllm asks "
                "the canary anyway)"
            )


def subscribe(request: Request) -> None:
    """Keeps something at the newest version of a channel that fits; nothing is touched when nothing is new.

    A look that fails is told and made again, unless it is the only one.

    Raises:
        DriftuneError: The only look failed.
    """
    settings = Settings()
    store = Store(settings.registry_url)
    if request.webhook is not None:
        register(store.url, settings.token, request.wanted, request.webhook)
        return
    with _action(request, store) as act, Waking(_events(store.url, request.wanted), settings.token) as waking:
        follow(lambda: act(request.wanted.find(store)), waking, once=request.once, every=request.every)


def _events(url: str, wanted: Wanted) -> str:
    """Where the registry's server tells what happens; empty where the registry is none."""
    if not url.startswith(("http://", "https://")):
        return ""
    return f"{url}/events?{urlencode({'domain': wanted.domain, 'channel': wanted.channel})}"


@contextmanager
def _action(request: Request, store: Store) -> Iterator[Callable[[Adapter], None]]:
    """What is done with a version; what is remembered of it is this process's alone within the block."""
    wanted = request.wanted
    action: Callable[[Adapter], None]
    with ExitStack() as stack:

        def memory(kind: str, target: str) -> Memory:
            followed = f"{wanted.domain}@{wanted.channel}"
            return stack.enter_context(remembered(Settings().root, store.url, followed, kind, target))

        if request.into is not None:
            action = Folder(store, request.into)
            if request.check and wanted.folder is not None:
                own = memory("--into", str(request.into.absolute()))
                action = Checked(action, store, wanted.folder, own)
        elif request.command is not None:
            own = memory("--exec", request.command)
            action = Command(request.command, store, wanted.channel, own, request.limit)
            if request.check and wanted.folder is not None:
                action = Checked(action, store, wanted.folder, own)
        else:
            vllm = Vllm(str(request.vllm), os.environ.get("DRIFTUNE_VLLM_KEY", ""))
            stack.callback(vllm.close)
            own = memory("--vllm", vllm.url)
            action = Mover(vllm, _serving(request, own), store, wanted.channel, own)
        yield action


def _serving(request: Request, memory: Memory) -> Serving:
    """How a vLLM is kept; its adapters lie in a folder that is this subscription's alone."""
    root = (request.adapters or Settings().root / "vllm").absolute()
    mine = memory.path.stem
    seen = f"{request.seen_as.rstrip('/')}/{mine}" if request.seen_as else ""
    return Serving(root / mine, seen, request.dtype, request.name_file, request.grace, request.drain)
