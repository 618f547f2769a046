"""Who answers what models are asked: this process, or the workers of the engine, each with one model in memory.

The answers are the same to the last bit, on processors of one kind: portions don't hang on who answers them, and each
is computed by the same number of threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import quiet, tuning
from finetune.bases import BaseModel
from finetune.loading import weights
from finetune.portions import Portion
from finetune.scoring import Scorer
from flows.engines import THREADS
from registry.errors import ConfigurationError
from registry.fingerprint import fingerprint
from registry.records import Score
from registry.settings import Settings

if TYPE_CHECKING:
    from flows.house import House

SMALL = 64 << 20
"""Bytes of weights up to which a second thread saves next to nothing, and a base is sent to other machines."""

_IN_MEMORY = 4
"""Bytes that a worker takes for each byte of weights: those of 16 bits are computed with in 32, and what comes of them
takes about as much."""


_LOADED: dict[tuple[str, str], Scorer] = {}
"""The model that this process has in memory, by what it is of and its name: one at most, whoever asks."""


@dataclass(frozen=True)
class Models:
    """A base alone and with adapters on it, of which a worker has one in memory.

    Attributes:
        base: The base.
        adapters: Name of a model -> the folder of its adapter; a model of another name is the base alone.
        window: Tokens that a model is shown at once.
        threads: Threads of torch.
        sent: Folder -> name and content of its files, for workers of other machines.
        home: The home folder of who asks.
        host: The machine that it and the folders lie on.
        mark: Tells them from all others.
    """

    base: BaseModel
    adapters: Mapping[str, Path]
    window: int
    threads: int
    sent: Mapping[Path, Mapping[str, bytes]]
    home: Path
    host: str = field(default_factory=socket.gethostname)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex, init=False)

    def scorer(self, name: str) -> Scorer:
        """A model, loaded where another one is in memory, or none."""
        asked = (self.mark, name)
        if asked not in _LOADED:
            _LOADED.clear()  # the next one takes as much memory
            _LOADED[asked] = self._load(name)
        return _LOADED[asked]

    def _load(self, name: str) -> Scorer:
        with self._here(self.base.path) as path:
            base = dataclasses.replace(self.base, path=path)
            if name not in self.adapters:
                return Scorer(*tuning.load(base), max_tokens=self.window)
            with self._here(self.adapters[name]) as adapter:
                return Scorer(*tuning.load_with(base, adapter), max_tokens=self.window)

    @contextlib.contextmanager
    def _here(self, folder: Path) -> Iterator[Path]:
        """Where a folder is on this machine, for the length of the block: a model that is loaded needs it no more."""
        if socket.gethostname() == self.host:
            yield folder
        elif folder in self.sent:
            with tempfile.TemporaryDirectory(prefix="driftune-") as name:
                for file, content in self.sent[folder].items():
                    Path(name, file).parent.mkdir(parents=True, exist_ok=True)
                    Path(name, file).write_bytes(content)
                yield Path(name)
        else:
            yield self._found()

    def _found(self) -> Path:
        """The folder of the base on another machine: in its home, as that is set up there, or at the same path.

        Raises:
            ConfigurationError: There is none, or it is another base.
        """
        path = self.base.path
        within = path.relative_to(self.home) if path.is_relative_to(self.home) else path
        for place in (Settings().root / within, path):
            if place.is_dir() and fingerprint(place) == self.base.fingerprint:
                return place
        raise ConfigurationError(
            f"The base {self.base.name} isn't on {socket.gethostname()}, or is another one there: copy {path} of "
            f"{self.host} to {Settings().root / within} there, or evaluate with --engine threads"
        )


def answer(models: Models, asked: tuple[str, Callable[[Scorer, Any], Any], Any]) -> Any:
    """What a model answers: its name, a portion's `answer`, and what that is given."""
    name, function, given = asked
    with quiet.threads(models.threads):
        return function(models.scorer(name), given)


def answered_by(
    house: House, base: BaseModel, adapters: Mapping[str, Path], window: int, asked: Iterable[tuple[str, str, Portion]]
) -> Iterator[Score]:
    """What models are asked, and what they answer, by this process or the engine's workers.

    Args:
        house: The domain.
        base: The base.
        adapters: Name of a model -> the folder of its adapter; a model of another name is the base alone.
        window: Tokens that a model is shown at once.
        asked: Model, arm and portion, ordered by model: each worker loads each once.
    """
    threads = 1 if weights(base.path) <= SMALL else house.threads
    models = Models(base, adapters, window, threads, _sent(house, base, adapters), house.settings.root)
    under_way: deque[tuple[str, Portion]] = deque()

    def jobs() -> Iterator[tuple[str, Callable[[Scorer, Any], Any], Any]]:
        for model, arm, portion in asked:
            under_way.append((arm, portion))
            yield model, portion.answer, portion.given

    try:
        for found in house.spread(answer, models, jobs(), _hands(house, base, threads)):
            arm, portion = under_way.popleft()
            house.tell(portion.title(arm), portion.done, portion.total)
            yield from portion.scores(arm, found)
    finally:
        _LOADED.clear()


def _hands(house: House, base: BaseModel, threads: int) -> int:
    """How many workers have a model in memory at a time; one is this process."""
    if house.settings.engine == THREADS or base.loading.device != "cpu":
        return 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // house.among
    return max(1, min(house.crew.hands // threads, memory // (_IN_MEMORY * max(1, weights(base.path)))))


def _sent(house: House, base: BaseModel, adapters: Mapping[str, Path]) -> dict[Path, dict[str, bytes]]:
    """What other machines are sent, where workers may be on some: adapters, and a base that is small."""
    if not house.settings.ray_address or base.loading.device != "cpu":
        return {}
    folders = [*adapters.values(), *([base.path] if weights(base.path) <= SMALL else [])]
    return {folder: _files(folder) for folder in folders}


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
