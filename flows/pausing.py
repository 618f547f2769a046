"""Pausing a domain: its scheduled runs pass it over, on any machine, until it is resumed; a run that is asked for runs.

The lake remembers it (works of the stage `pause`). On a Prefect server the domain's schedules are paused as well, so
that nothing starts in vain; where it doesn't answer, what it starts ends at once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from dataclasses import dataclass

from flows.annotation import account
from flows.engine import prepare_prefect
from flows.house import House
from flows.prefect_api import address, ask
from registry.domain_files import load_domain
from registry.identity import work_key
from registry.lake import Lake
from registry.settings import Settings

STAGE, PART = "pause", "pause@1"

_LAST = """
    SELECT domain, arg_max(result, "_at") AS result FROM work WHERE stage = 'pause' GROUP BY domain
"""


@dataclass(frozen=True)
class Pause:
    """Why a domain is paused.

    Attributes:
        at: Since when, as ISO 8601 has it.
        by: Name of the account that paused it.
        why: Why, in a person's words; may be empty.
    """

    at: str
    by: str
    why: str

    def line(self) -> str:
        """Since when, by whom and why."""
        by, why = (f" by {self.by}" if self.by else ""), (f": {self.why}" if self.why else "")
        return f"paused since {self.at[:16].replace('T', ' ')} UTC{by}{why}"


def pauses(lake: Lake) -> dict[str, Pause]:
    """Domain -> why it is paused, of those that are."""
    last = {row["domain"]: json.loads(row["result"]) for row in lake.query(_LAST).to_pylist()}
    return {name: Pause(said["at"], said["by"], said["why"]) for name, said in last.items() if said["paused"]}


def show_pausing(reference: str, *, paused: bool, why: str, as_json: bool) -> None:
    """Pauses a domain, or resumes it, and prints what that means.

    Args:
        reference: A name in `domains/`, or the path of a domain file.
        paused: Whether it is paused from now on.
        why: Why, for who looks at it later.
        as_json: Print an object instead of lines.

    Raises:
        ConfigurationError: The domain file or a location is wrong.
    """
    house = House(load_domain(reference), Settings(), reference)
    name = house.domain.name
    before = pauses(house.lake).get(name)
    if paused or before is not None:
        _write(house, paused=paused, why=why)
    schedules = _schedules(name, paused=paused)
    now = pauses(house.lake).get(name)
    if as_json:
        print(json.dumps({"domain": name, "paused": dataclasses.asdict(now) if now else None, "schedules": schedules}))
        return
    print(f"{name} is {now.line()}" if now else f"{name} is resumed" if before else f"{name} was not paused")
    if now:
        print(f"Scheduled runs and run --all pass it over; driftune run {name} runs it. Next: driftune resume {name}")
    print("\n".join(f"{full}: {said}" for full, said in schedules.items()), end="\n" if schedules else "")


def _write(house: House, *, paused: bool, why: str) -> None:
    said = {"paused": paused, "why": why.strip(), "by": account()}
    said |= {"at": dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")}
    key = work_key([], PART, {"domain": house.domain.name, **said})
    house.finish(STAGE, PART, [key], [], time.monotonic(), said)


def _schedules(name: str, *, paused: bool) -> dict[str, str]:
    """Pauses or resumes what the Prefect server runs of a domain by the clock; what came of each deployment."""
    import httpx

    prepare_prefect(Settings().root)  # the home's stack is used, where it runs one
    if not address():
        return {}
    told: dict[str, str] = {}
    for full in (f"refresh/{name}", f"watch/{name}"):
        try:
            found = ask("GET", f"deployments/name/{full}")
            ask("PATCH", f"deployments/{found['id']}", {"paused": paused})
            told[full] = "its schedule is paused" if paused else "its schedule goes on"
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                told[full] = f"left as it is, as the Prefect server at {address()} refuses: {error}"
        except httpx.HTTPError as error:
            told[full] = f"left as it is, as the Prefect server at {address()} doesn't answer: {error}"
    return told
