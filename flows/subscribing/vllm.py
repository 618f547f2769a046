"""`--vllm`: a running vLLM is moved to each version, without a request that fails or gets another's answer.

A version is loaded under a name of its own (a name that was used before would serve another's prefix cache), its stored
prompts must give their stored log-probabilities, then clients are told the name, and the version before is unloaded
when its requests are done. Where this stands is read from the server each time: what it has loaded, and from where. So
a kill at any moment, of this or of vLLM, is finished by the next look.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.subscribing.loop import told
from flows.subscribing.memory import Memory
from flows.subscribing.vllm_api import Model, RefusedError, Vllm
from registry.canary import QUANTISED, TOLERANCE, stored_canary
from registry.errors import ConfigurationError, WrongBaseError
from registry.records import Adapter
from registry.storage import remove_tree, write_file
from registry.store import STABLE, Store

DTYPES = {**TOLERANCE, "quantised": QUANTISED}
"""What the base's weights are in vLLM -> how far a log-probability may be off, in nats a token."""

LOOK_S = 0.5
"""Seconds between two looks at what still runs."""


@dataclass(frozen=True)
class Serving:
    """How a vLLM is kept at a channel.

    Attributes:
        folder: Where it reads this subscription's adapters from: a folder of its own.
        seen_as: The same folder as vLLM calls it, where that is another (a container's); empty where it isn't.
        dtype: What the base's weights are there: a key of `DTYPES`.
        name_file: File that holds the name that clients ask for; null: it is only printed.
        grace_s: Seconds that clients get to ask for the new name before the old one may go.
        drain_s: Seconds that the old one's requests get after that.
    """

    folder: Path
    seen_as: str = ""
    dtype: str = "bfloat16"
    name_file: Path | None = None
    grace_s: float = 5.0
    drain_s: float = 300.0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ConfigurationError(f"--dtype can't be {self.dtype!r}: say what vLLM has loaded, {', '.join(DTYPES)}")

    def path(self, name: str) -> str:
        """The folder of an adapter as vLLM calls it."""
        return f"{self.seen_as.rstrip('/')}/{name}" if self.seen_as else str(self.folder / name)


class Mover:
    """Keeps a vLLM at the newest version.

    Args:
        vllm: The server.
        serving: How.
        store: Where versions come from.
        channel: The channel that is followed.
        memory: What it was moved to last, and what failed.
    """

    def __init__(self, vllm: Vllm, serving: Serving, store: Store, channel: str, memory: Memory) -> None:
        self._vllm, self._serving, self._store = vllm, serving, store
        self._channel, self._memory = channel, memory
        self._told = ""

    def __call__(self, adapter: Adapter) -> None:
        """Bring the server to a version; where that one fails its canary, leave it at what it had.

        Raises:
            WrongBaseError: It gives other answers than where it was made: it isn't tried again on this base.
            DriftuneError: The server doesn't answer, or refuses: it is tried again.
        """
        models = {model.name: model for model in self._vllm.models()}
        tried = f"{adapter.id} on {self._vllm.base(models.values()).root} in {self._serving.dtype}"
        failed = self._memory.failed.get(tried)
        if failed is None:
            try:
                self._move(adapter, models)
                return
            except WrongBaseError as error:
                self._memory.fail(tried, str(error))
                failed = str(error)
        if self._memory.adapter:
            last = self._store.resolve(f"{adapter.domain}@v{self._memory.version}", yanked=True)
            if last.id == self._memory.adapter:
                self._move(last, models)  # also where vLLM was started anew and has forgotten it
        raise WrongBaseError(f"{failed}. v{adapter.version} isn't tried again; the next version is")

    def _move(self, adapter: Adapter, models: Mapping[str, Model]) -> None:
        ours = {name: model for name, model in models.items() if self._is_ours(model)}
        name = self._name(adapter, models, ours)
        if name in ours and self._memory.adapter == adapter.id:
            if name != self._told:  # once, and not at each look
                told(f"{self._vllm.url} is up to date: {name}")
        else:
            self._load(adapter, name, loaded=name in ours)
            told(f"{self._vllm.url} serves {name} now (base {adapter.base}, {adapter.library_range})")
        self._told = name
        if self._announce(name) and ours.keys() - {name}:
            time.sleep(self._serving.grace_s)
        if self._memory.adapter != adapter.id:
            self._memory.done(adapter.id, adapter.version)
        for old in ours.keys() - {name}:
            self._drain(old)
            self._unload(old)

    def _name(self, adapter: Adapter, models: Mapping[str, Model], ours: Mapping[str, Model]) -> str:
        """What a version is served as; its id is added where the name has stood for something else."""
        channel = "" if self._channel == STABLE else f"-{self._channel}"
        name = f"{adapter.domain}{channel}-v{adapter.version}"
        others = name in models and name not in ours
        if others or self._memory.names.setdefault(name, adapter.id) != adapter.id:
            return f"{name}-{adapter.id[:8]}"
        return name

    def _is_ours(self, model: Model) -> bool:
        plain = Path(model.name).name == model.name  # its folder is removed by that name, which is what a server says
        return plain and bool(model.parent) and model.root == self._serving.path(model.name)

    def _load(self, adapter: Adapter, name: str, *, loaded: bool) -> None:
        """Load a version and ask it its stored prompts.

        Raises:
            WrongBaseError: They don't give what they gave; it is unloaded again.
        """
        pulled = self._store.pull(f"{adapter.domain}@v{adapter.version}", self._serving.folder / name, yanked=True)
        if not loaded:
            self._memory.save()  # that this name stands for this adapter, before anything may be cached under it
            self._vllm.load(name, self._serving.path(name))
        try:
            self._check(adapter, name, stored_canary(pulled.path))
        except WrongBaseError:
            self._unload(name)
            raise

    def _check(self, adapter: Adapter, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Compare stored log-probabilities with the server's, and the server's with its base's.

        Raises:
            WrongBaseError: They differ; or the adapter has no effect, as one whose modules vLLM doesn't find.
        """
        title = f"{adapter.domain} v{adapter.version}"
        if not rows:
            raise WrongBaseError(f"{title} has no canary, so nobody can tell whether it fits {self._vllm.url}")
        base = self._vllm.base(self._vllm.models()).name
        allowed = DTYPES[self._serving.dtype]
        from_stored = from_base = 0.0
        for row in rows:
            found, plain = (self._vllm.logprob(model, row["ids"]) for model in (name, base))
            if not abs(found - row["logprob"]) <= allowed:
                raise WrongBaseError(
                    f"{title} gives {found:.4f} nats a token at {self._vllm.url} where {row['logprob']:.4f} were "
                    f"stored (allowed {allowed} in {self._serving.dtype}; its base gives {plain:.4f}): {base} isn't "
                    f"{adapter.base} as published, or wasn't loaded as --dtype says",
                    wanted=row["logprob"],
                    found=found,
                )
            from_stored += abs(found - row["logprob"])
            from_base += abs(plain - row["logprob"])
        if not from_stored < from_base:
            raise WrongBaseError(
                f"{title} gives at {self._vllm.url} what its base {base} gives: its modules weren't found there, "
                f"which vLLM doesn't say"
            )

    def _announce(self, name: str) -> bool:
        """Tell clients the name; whether it is news."""
        path = self._serving.name_file
        if path is None:
            return True
        if path.is_file() and path.read_bytes().strip() == name.encode():
            return False
        write_file(path, f"{name}\n".encode(), "the name that clients ask for")
        return True

    def _drain(self, name: str) -> None:
        """Wait until no request of an adapter runs or waits, twice in a row; not for ever."""
        end = time.monotonic() + self._serving.drain_s
        idle = 0
        while time.monotonic() < end:
            idle = 0 if self._vllm.busy(name) is not False else idle + 1
            if idle == 2:
                return
            time.sleep(LOOK_S)
        told(f"{name} still has requests after {self._serving.drain_s:.0f} s, or no metric tells: it is unloaded")

    def _unload(self, name: str) -> None:
        try:
            self._vllm.unload(name)
        except RefusedError as error:
            if error.status < 500:
                raise
            self._vllm.touch(name)  # it had left memory for others, and what isn't there vLLM doesn't unload
            self._vllm.unload(name)
        told(f"{self._vllm.url} doesn't serve {name} any more")
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Remove a version's files."""
        link = self._serving.folder / name
        if link.is_symlink():
            target = link.parent / link.readlink()
            link.unlink()
            remove_tree(target)
