"""`--webhook`: asks the registry's server to post each move of a channel to an address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from flows.subscribing.wanted import Wanted
from registry.errors import ConfigurationError, RegistryError
from registry.objects_http import is_here

_ANSWER_S = 60.0


def register(url: str, token: str, wanted: Wanted, target: str) -> None:
    """Makes the subscription where there is none yet, and says its id and the secret that deliveries are signed with.

    Args:
        url: The registry.
        token: What its server knows the subscriber by.
        wanted: What is followed.
        target: The address.

    Raises:
        ConfigurationError: The registry is no server, there is no token, or the server doesn't take it.
        RegistryError: The server can't be reached, or fails.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"--webhook needs a server, and the registry is {url}: start driftune serve beside it and set "
            "DRIFTUNE_REGISTRY to its address, or use --exec here"
        )
    if not token:
        raise ConfigurationError("--webhook needs a token: have one made with driftune token new, set DRIFTUNE_TOKEN")
    if wanted.folder is not None:
        raise ConfigurationError(
            f"--base {wanted.base!r} is a folder here: tell the server the base's name, as on cards"
        )
    asked = {
        "domain": wanted.domain,
        "channel": wanted.channel,
        "base": wanted.base,
        "library": wanted.library,
        "url": target,
    }
    headers = {"Authorization": f"Bearer {token}"}
    here = is_here(urlsplit(url).hostname or "")
    with httpx.Client(base_url=url, headers=headers, timeout=_ANSWER_S, trust_env=not here) as client:
        known = _answer(client, "GET")["subscriptions"]
        same = [row for row in known if all(row.get(name, "") == value for name, value in asked.items())]
        if same:
            print(f"{same[0]['id']} posts {wanted.reference} to {target} already ({same[0]['status']})")
            return
        made = _answer(client, "POST", asked)
        print(f"{made['id']} posts each move of {wanted.domain}@{wanted.channel} to {target}")
        print(f"Verify with this secret, which is shown this once: {made['secret']}")


def _answer(client: httpx.Client, method: str, body: Any = None) -> Any:
    try:
        answer = client.request(method, "/api/subscriptions", json=body)
        told = answer.json()
        if answer.is_success:
            return told
        said = f"{client.base_url.host} refuses ({answer.status_code}): {told['error']}"
    except httpx.HTTPError as error:
        raise RegistryError(f"{client.base_url} can't be reached: {error or type(error).__name__}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"{client.base_url} answers what nobody can read: is it driftune serve?") from error
    raise ConfigurationError(said)
