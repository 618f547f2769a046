"""The look at the store's logs: what is new there becomes events, and deliveries to those who are to be told.

Nothing tells a server that another process, or another machine, has published: it looks. A look lists each log's names
and reads entries that weren't read before; a version is read once in a server's life.
"""

from __future__ import annotations

import abc
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from registry import channels
from registry.channels import Entry
from registry.errors import DriftuneError
from registry.manifests import location
from registry.records import Adapter
from registry.server import deliveries, events, subscriptions
from registry.server.events import CHANNELS, STANDING, Draft, Event
from registry.server.events_payload import Teller
from registry.server.state import State
from registry.server.subscriptions import Subscription
from registry.standing import Standing
from registry.store import Store
from registry.versions import is_domain

R = TypeVar("R")

_BATCH = 100
"""Events of one transaction: others write to the state between."""
_CHANGES = 50
"""Of so many new entries, the last, a lake is asked for the changes: not of years that a new state hasn't seen."""


@dataclass(frozen=True)
class News(abc.ABC):
    """An entry of a log that isn't an event yet.

    Attributes:
        domain: The domain.
        at: When it was written, and not before the entries before it: clocks differ.
    """

    domain: str
    at: str

    @abc.abstractmethod
    def draft(self, watch: Watch, versions: Mapping[int, Adapter], *, changes: bool) -> Draft:
        """The event that it becomes."""

    @abc.abstractmethod
    def concerns(self, subscription: Subscription) -> bool:
        """Whether it changes what a subscription's channel gives, or what is to be thought of that."""

    @property
    @abc.abstractmethod
    def versions(self) -> tuple[int, int | None]:
        """The version that it is about (0 for the domain), and the one that was there before."""


@dataclass(frozen=True)
class Move(News):
    """A channel was moved.

    Attributes:
        past: All entries of its log.
        place: Where it stands among them.
    """

    past: Sequence[Entry]
    place: int

    @property
    def entry(self) -> Entry:
        """What was written."""
        return self.past[self.place]

    @functools.cached_property
    def versions(self) -> tuple[int, int | None]:
        """The version that the channel was moved to, and the other one that it held before."""
        before = (self.past[place].version for place in range(self.place - 1, -1, -1))
        return self.entry.version, next((version for version in before if version != self.entry.version), None)

    def draft(self, watch: Watch, versions: Mapping[int, Adapter], *, changes: bool) -> Draft:
        """With what has changed since the version before."""
        body = watch.teller.move(self.domain, self.entry, self.versions[1], versions, changes=changes)
        return Draft(self.domain, f"{CHANNELS}{self.entry.channel}", self.entry.number, body)

    def concerns(self, subscription: Subscription) -> bool:
        """Where a version is for a share of those who follow the channel, each is told of what changes for him."""
        if subscription.channel != self.entry.channel:
            return False
        before, after = self._lines
        given = [channels.given(line, self.domain, subscription.id) for line in (before, after)]
        return given[0] != given[1]

    @functools.cached_property
    def _lines(self) -> tuple[list[Entry], list[Entry]]:
        return channels.line(self.past[: self.place]), channels.line(self.past[: self.place + 1])


@dataclass(frozen=True)
class Said(News):
    """Something was said of a version, or of the domain.

    Attributes:
        entry: What was said.
        held: The channels that have held the version.
    """

    entry: Standing
    held: frozenset[str]

    @property
    def versions(self) -> tuple[int, None]:
        """The version that it was said of; 0 for the domain."""
        return self.entry.version, None

    def draft(self, watch: Watch, versions: Mapping[int, Adapter], *, changes: bool) -> Draft:
        """With what each channel gives now."""
        given = watch.store.channels(self.domain)
        return Draft(
            self.domain, STANDING, self.entry.number, watch.teller.standing(self.domain, self.entry, given, versions)
        )

    def concerns(self, subscription: Subscription) -> bool:
        """Whoever may have the version, by the channel that he follows."""
        return self.entry.version == 0 or subscription.channel in self.held


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
        drafts, about = [], {}
        for number, each in enumerate(batch):
            versions = self._versions(each)
            drafts.append(each.draft(self, versions, changes=number >= covered_from))
            about[drafts[-1].id] = each, versions.get(each.versions[0])

        def tells(event: Event, subscription: Subscription) -> bool:
            news, adapter = about[event.id]
            fits = adapter is None or subscriptions.fits(subscription, adapter.base, adapter.library_range)
            return fits and news.concerns(subscription)

        with self.state.begin() as connection:
            deliveries.fan_out(connection, events.add(connection, drafts), tells)

    def _news(self, marks: Mapping[tuple[str, str], int]) -> Iterator[News]:
        for domain in filter(is_domain, self.store.objects.names("")):
            pasts = self._histories(domain)
            for channel, past in pasts.items():
                yield from self._moves(domain, past, marks.get((domain, f"{CHANNELS}{channel}"), 0))
            yield from self._said(domain, pasts, marks.get((domain, STANDING), 0))

    def _moves(self, domain: str, past: Sequence[Entry], mark: int) -> Iterator[News]:
        at = ""
        for place, entry in enumerate(past):
            at = max(at, entry.at)
            if entry.number > mark:
                yield Move(domain, at, past, place)

    def _said(self, domain: str, pasts: Mapping[str, Sequence[Entry]], mark: int) -> Iterator[News]:
        at = ""
        for entry in self._read(lambda: self.store.standing(domain), list[Standing]()):
            at = max(at, entry.at)
            if entry.number > mark:
                holders = {name for name, past in pasts.items() if any(e.version == entry.version for e in past)}
                yield Said(domain, at, entry, frozenset(holders))

    def _histories(self, domain: str) -> dict[str, list[Entry]]:
        """The log of each channel; empty where it can't be read."""

        def history(channel: str) -> list[Entry]:
            return self._read(lambda: self.store.history(domain, channel), list[Entry]())

        names = self._read(lambda: self.store.objects.names(f"{domain}/{CHANNELS[:-1]}"), list[str]())
        return {name: history(name) for name in names}

    def _versions(self, news: News) -> dict[int, Adapter]:
        """The versions that it is about, without what was removed or can't be read."""

        def version(number: int) -> Adapter | None:
            return self._read(lambda: self.store.at(location(news.domain, number)), None)

        found = {number: version(number) for number in news.versions if number}
        return {number: adapter for number, adapter in found.items() if adapter is not None}

    def _read(self, read: Callable[[], R], otherwise: R) -> R:
        try:
            return read()
        except DriftuneError as error:
            if str(error) not in self._faults:
                self._faults.add(str(error))
                logging.getLogger("uvicorn.error").error("No events are made of what can't be read: %s", error)
            return otherwise
