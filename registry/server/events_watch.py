"""The look at the store's logs: what is new there becomes events, and deliveries to those who are to be told.

Nothing tells a server that another process, or another machine, has published: it looks. A look lists each log's names
and reads entries that weren't read before; a version is read once in a server's life.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from registry.channels import Entry
from registry.errors import DriftuneError
from registry.records import Adapter
from registry.server import deliveries, events, subscriptions
from registry.server.events import CHANNELS, Draft, Event
from registry.server.events_payload import Teller
from registry.server.state import State
from registry.server.subscriptions import Subscription
from registry.store import Store

R = TypeVar("R")

_BATCH = 100
"""Events of one transaction: others write to the state between."""
_CHANGES = 50
"""Of so many new entries, the last, a lake is asked for the changes: not of years that a new state hasn't seen."""


@dataclass(frozen=True)
class News:
    """An entry that isn't an event yet.

    Attributes:
        domain: The domain.
        at: When it was written, and not before the entries before it: clocks differ.
        entry: The entry.
        past: All entries of its log.
        place: How many of these are before it.
    """

    domain: str
    at: str
    entry: Entry
    past: Sequence[Entry]
    place: int

    @property
    def log(self) -> str:
        """Its log, as events name it."""
        return f"{CHANNELS}{self.entry.channel}"

    @property
    def previous(self) -> int | None:
        """The version that the channel held before."""
        before = (self.past[place].version for place in range(self.place - 1, -1, -1))
        return next((version for version in before if version != self.entry.version), None)


@dataclass
class Watch:
    """Looks, and makes events of what is new.

    Attributes:
        store: The adapters.
        state: Where events are.
        teller: Says what events say.
    """

    store: Store
    state: State
    teller: Teller
    _faults: set[str] = field(default_factory=set, repr=False)

    def look(self) -> int:
        """Makes events of all that is new, in the order in which it happened; how many. Not for the event loop.

        What can't be read is told in the log, once, and keeps nothing else back.

        Raises:
            RegistryError: The state can't be reached.
        """
        with self.state.read() as connection:
            marks = events.marks(connection)
        news = sorted(self._news(marks), key=lambda each: each.at)
        for start in range(0, len(news), _BATCH):
            self._make(news[start : start + _BATCH], covered_from=len(news) - _CHANGES - start)
        return len(news)

    def _make(self, batch: Sequence[News], covered_from: int) -> None:
        versions = {domain: self._versions(domain) for domain in {each.domain for each in batch}}
        about, drafts = {}, []
        for number, each in enumerate(batch):
            of_it = versions[each.domain]
            body = self.teller.move(each.domain, each.entry, each.previous, of_it, changes=number >= covered_from)
            drafts.append(Draft(each.domain, each.log, each.entry.number, body))
            about[drafts[-1].id] = (each, of_it.get(each.entry.version))

        def tells(event: Event, subscription: Subscription) -> bool:
            return _tells(*about[event.id], subscription)

        with self.state.begin() as connection:
            deliveries.fan_out(connection, events.add(connection, drafts), tells)

    def _news(self, marks: Mapping[tuple[str, str], int]) -> Iterator[News]:
        for domain in self.store.domains():
            for channel in self._channels(domain):
                yield from self._moves(domain, channel, marks.get((domain, f"{CHANNELS}{channel}"), 0))

    def _moves(self, domain: str, channel: str, mark: int) -> Iterator[News]:
        past = self._read(lambda: self.store.history(domain, channel), list[Entry]())
        at = ""
        for place, entry in enumerate(past):
            at = max(at, entry.at)
            if entry.number > mark:
                yield News(domain, at, entry, past, place)

    def _channels(self, domain: str) -> list[str]:
        return self._read(lambda: sorted(self.store.channels(domain)), list[str]())

    def _versions(self, domain: str) -> dict[int, Adapter]:
        return self._read(lambda: {each.version: each for each in self.store.versions(domain)}, dict[int, Adapter]())

    def _read(self, read: Callable[[], R], otherwise: R) -> R:
        try:
            return read()
        except DriftuneError as error:
            if str(error) not in self._faults:
                self._faults.add(str(error))
                logging.getLogger("uvicorn.error").error("No events are made of what can't be read: %s", error)
            return otherwise


def _tells(news: News, about: Adapter | None, subscription: Subscription) -> bool:
    """Whether a subscription of the domain is told: its channel, an adapter that it wants, another than it has."""
    if subscription.channel != news.entry.channel:
        return False
    return about is None or subscriptions.fits(subscription, about.base, about.library_range)
