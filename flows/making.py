"""The base of a domain: found where it was made or fetched before, else made now, also beside other stages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from finetune import bases
from finetune.bases import BaseModel, TinyBase
from flows import continuing
from flows.agreed import same_base, shared
from flows.bases import check_licence
from flows.house import House, open_house
from flows.scraping import releases, scraped
from registry.records import Adapter


def base_model(house: House, adapter: Adapter | None = None) -> BaseModel:
    """The domain's base: found in the cache, or made from the old release (a minute's work, or several).

    Args:
        house: The domain.
        adapter: What a training goes on from, whose base it stays; what the latest snapshot's does where None.
    """
    check_licence(house)
    train = house.domain.train
    settings = {"threads": 1, **train.base_settings} if train.base == "tiny" else train.base_settings
    texts, cache = _texts(house, adapter or continuing.current(house)), house.folder("bases")
    found, objects = bases.find(train.base), shared(house.settings)
    if isinstance(found, TinyBase) and objects is not None:
        read = sorted(set(texts))
        base = same_base(objects, read, dict(settings), cache, lambda: found.prepare(read, settings, cache, house.tell))
    else:
        base = found.prepare(texts, settings, cache, house.tell)
    check_licence(house)  # of what came: a branch may have moved since its card was read
    return base


def _texts(house: House, adapter: Adapter | None) -> Iterator[str]:
    """What a base that is made on the spot learns of the old release; read where a base asks for it."""
    old = continuing.known_release(house, adapter) or releases(house)[0]
    pages = (p for p in scraped(house, old).pages if p.kind in ("source", "test", "guide"))
    yield from (p.markdown for p in pages if not (p.injections and p.kind != "guide"))  # of guides they are cut


def start_base(house: House, reference: str) -> None:
    """Starts making the base in a process of its own, beside synthesis and validation.

    It ends when the house is closed or this process dies, and holds the base's lock until then: `base_model` waits
    for it, and goes on from its checkpoint where it was killed.
    """
    command = [sys.executable, "-m", "flows.making", reference]
    quiet = subprocess.DEVNULL
    house.while_open(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet))


def _main(reference: str) -> None:
    """Makes a domain's base, and ends when the process that started this one has gone."""
    import os
    import threading

    def watch() -> None:
        # it ends when the other end of the pipe is closed, however that came about; not through sys.stdin, whose lock
        # would be held when this process ends, and abort it
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    house = open_house(reference)
    base_model(house, continuing.newest(house))


if __name__ == "__main__":
    _main(sys.argv[1])
