"""`driftune registry yank`, `unyank`, `eol`: how published versions stand."""

from __future__ import annotations

import dataclasses
import json

from flows.annotation import account
from registry.settings import Settings
from registry.standing import END, REVIVE, UNYANK, YANK
from registry.store import Store

_SAID = {
    YANK: "is yanked: no channel gives it",
    UNYANK: "is no longer yanked: channels that hold it give it again",
    END: "is at the end of its life: whoever asks for it is told",
    REVIVE: "is cared for again",
}


def say(reference: str, action: str, why: str, *, as_json: bool) -> None:
    """Says how a version, or a domain, stands from now on.

    Args:
        reference: `networkx@v3`; for the end of life also `networkx`.
        action: yank, unyank, end-of-life or revive.
        why: Why; it is told whoever asks for the version.
        as_json: Print an object.

    Raises:
        ConfigurationError: There is no such version, or no reason.
    """
    store, by = Store(Settings().registry_url), account()
    if action == YANK:
        said = store.yank(reference, why, by)
    elif action == UNYANK:
        said = store.unyank(reference, why, by)
    else:
        said = store.end_of_life(reference, why, by, revive=action == REVIVE)
    domain = reference.partition("@")[0]
    gives = store.channels(domain)
    if as_json:
        print(json.dumps({"domain": domain, "channels": gives, **dataclasses.asdict(said)}))
        return
    name = f"{domain}@v{said.version}" if said.version else domain
    print(f"{name} {_SAID[action]}. {', '.join(f'{c} gives v{n}' for c, n in gives.items()) or 'No channel gives any'}")
