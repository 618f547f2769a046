"""A refresh that a schedule or an automation started, in a process that Prefect made for it.

Prefect's own turns would do to keep two runs of a domain apart, but they are lost with its server; the domain's lock
isn't. So a run that finds the domain held is passed over: the run that holds it does the same work.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import select
import threading
from collections.abc import Callable
from typing import Literal

from flows.abandoned import crash_abandoned
from flows.deploy import end_with_deployment
from flows.events import happened, told_lately
from flows.house import House, open_house
from flows.news import tell_proven
from flows.observers import take_over
from flows.pausing import pauses
from flows.preflight import check
from flows.stages import PARTS, UNFINISHED, ask_sites, complete
from flows.tracking import end, remember
from registry.domain_files import load_domain
from registry.errors import ConfigurationError, LockedError
from registry.lock import domain_lock
from registry.settings import Settings

Part = Literal["all", "cpu", "gpu"]
"""What a refresh does: everything, or what needs no GPU, or the rest."""

TOLD_AGAIN = dt.timedelta(days=1)
"""After how long a release is told again that no run went to: in between, the nightly run tries it by itself."""

STDOUT, STDERR = 1, 2
"""What a process has open for what it says."""


class PassedOverError(Exception):
    """A scheduled run has nothing to do for now; its text says why."""


def refresh_scheduled(reference: str, part: Part, enough: int, perform: Callable[[House, str, Part], str]) -> str:
    """Refreshes a domain, as far as there is something to do; the gate's decision, or `UNFINISHED`.

    Args:
        reference: A name in `domains/`, or the path of a domain file.
        part: What is to be done.
        enough: New proven rows after which the part `cpu` tells that there is something to train on.
        perform: Runs a part over an open, locked house.

    Raises:
        ConfigurationError: The domain, or where things lie, is not set.
        PassedOverError: The domain is paused, or another run holds it.
    """
    end_with_deployment()
    check_home()
    outlive_worker()
    check_paused(reference)
    house = open_house(reference, moving=part != "gpu")
    check(house, PARTS[part])
    found = _locked(house, reference, part, perform)
    if found == UNFINISHED and part == "cpu":  # the lock is free again: who is told may begin
        tell_proven(house, enough)
    return found


def _locked(house: House, reference: str, part: Part, perform: Callable[[House, str, Part], str]) -> str:
    """What is left, at the domain's own turn."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(domain_lock(house.settings, house.domain.name, house.run))
        except LockedError as error:
            raise PassedOverError(str(error)) from error
        crash_abandoned(house.domain.name)
        remember(house)
        if part != "gpu":
            ask_sites(house)
        found = complete(house)
        if found is None:
            return perform(house, reference, part)
        take_over(house)
        end(house)
        return found


def look_scheduled(reference: str) -> str:
    """Tells of a release of a tracked library that no run went to yet; where the domain stands. Nothing is written.

    The same release is told once a day: a refresh that fails before it goes to it would be started again each hour.

    Args:
        reference: A name in `domains/`, or the path of a domain file.

    Raises:
        ConfigurationError: The domain, or where things lie, is not set.
        SourceError: The package index can't be asked, and nothing is remembered.
    """
    check_home()
    outlive_worker()
    try:
        check_paused(reference)
    except PassedOverError as passed:
        return str(passed)
    house = open_house(reference, moving=True)
    if house.tracked is None:
        return f"{house.domain.name} has versions that were set by hand"
    line = house.tracked.line()
    if not house.tracked.moves:
        return line
    old, new = house.tracked.versions
    facts = {"library": house.library.name, "old": old, "new": new}
    if before := told_lately(house.domain.name, "driftune.release.new", TOLD_AGAIN, **facts):
        at = before[:16].replace("T", " ")
        return f"{line}; told at {at} UTC, and no run went to it: it is told again a day after that"
    happened(house, "driftune.release.new", **facts)
    return f"{line}; told"


def check_paused(reference: str) -> None:
    """Checks that a domain isn't paused; the package index isn't asked.

    Raises:
        PassedOverError: It is.
    """
    house = House(load_domain(reference), Settings(), reference)
    if pause := pauses(house.lake).get(house.domain.name):
        raise PassedOverError(f"{house.domain.name} is {pause.line()}")


def outlive_worker() -> None:
    """Has what a worker's run says go nowhere from the moment that nobody reads it any more.

    A worker hands on what its runs say. When it is killed they go on, but the next line would end them: Prefect writes
    it by rich, which ends a process whose output is closed.
    """
    if os.environ.get("PREFECT__FLOW_RUN_ID"):
        threading.Thread(target=_mute_when_unheard, daemon=True).start()


def _mute_when_unheard() -> None:
    reader = select.poll()
    reader.register(STDERR, 0)  # told of errors alone: the other end of the pipe is closed
    reader.poll()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (STDOUT, STDERR):
        os.dup2(nowhere, number)


def check_home() -> None:
    """Checks that a worker's run knows where things lie: its working folder may be new, and gone after it.

    Raises:
        ConfigurationError: It doesn't.
    """
    if os.environ.get("PREFECT__FLOW_RUN_ID") and not os.environ.get("DRIFTUNE_HOME"):
        raise ConfigurationError(
            "DRIFTUNE_HOME is not set here: set it, for a folder that stays, in the environment of the Prefect worker"
        )
