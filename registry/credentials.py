"""Credentials of a private package index or site: a domain says where they are found, never what they are.

Guarantees: they are sent to the one origin that they are for, over https or to this very machine; no error, `repr` or
record holds them.
Non-guarantees: a server that sends them back in a page is not found out here.
"""

from __future__ import annotations

import base64
import ipaddress
import netrc
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from registry.errors import ConfigurationError

NETRC = "netrc"
FORMS = f'"env:TOKEN" (a bearer token), "env:USER:PASSWORD" (basic), both names of environment variables, or "{NETRC}"'
_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z_][A-Za-z0-9_]*))?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Credentials:
    """What is sent to one origin, and to no other.

    Attributes:
        origin: Scheme, host and port.
        header: Value of `Authorization`.
    """

    origin: tuple[str, str, int | None]
    header: str = field(repr=False)

    def headers(self, url: str) -> dict[str, str]:
        """The headers of a request: none for any other origin."""
        try:
            return {"Authorization": self.header} if _origin(url) == self.origin else {}
        except ValueError:
            return {}  # no address, such as http://[x


def is_reference(text: str) -> bool:
    """Whether a text says where credentials are found."""
    return text == NETRC or _ENV.fullmatch(text) is not None


def has_login(url: str) -> bool:
    """Whether an address holds a user or a password."""
    return "@" in url.partition("//")[2].partition("/")[0]


def without_login(text: str) -> str:
    """A text whose addresses have neither user nor password: for messages."""
    return re.sub(r"(?<=//)[^/\s]*@", "***@", text)


def find_credentials(reference: str | None, url: str, variables: Mapping[str, str] | None = None) -> Credentials | None:
    """The credentials of an address, looked up where a domain says; None where it says nothing.

    Args:
        reference: `env:TOKEN`, `env:USER:PASSWORD` or `netrc`.
        url: What they are for.
        variables: The environment; the process's own where None.

    Raises:
        ConfigurationError: They aren't there, or would be sent in the clear; the message doesn't show them.
    """
    if not reference:
        return None
    found = _ENV.fullmatch(reference)
    if found is None and reference != NETRC:
        raise ConfigurationError(f"The credentials of a source are {FORMS}; what is set there is none of these")
    try:
        parts, origin = urlsplit(url), _origin(url)
    except ValueError as error:
        raise ConfigurationError(f"{without_login(url)} is no address: {error}") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname or "")):
        raise ConfigurationError(
            f"{without_login(url)} is no https address: credentials would be sent in the clear; use https, or leave "
            "credentials out"
        )
    variables = os.environ if variables is None else variables
    if found is None:
        user, password = _of_netrc(parts.hostname or "", variables)
        return Credentials(origin, _basic(user, password))
    first, second = found.groups()
    if second is None:
        return Credentials(origin, f"Bearer {_variable(first, variables)}")
    return Credentials(origin, _basic(_variable(first, variables), _variable(second, variables)))


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _variable(name: str, variables: Mapping[str, str]) -> str:
    value = variables.get(name, "").strip()
    if not value:
        raise ConfigurationError(
            f"The environment variable {name}, named in a source's credentials, is not set: set it"
        )
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(f"The environment variable {name} holds what can't be sent in a header: set it anew")
    return value


def _of_netrc(host: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """User and password of a host in `$NETRC`, else in `~/.netrc`."""
    path = Path(variables.get("NETRC") or Path.home() / ".netrc")
    try:
        login = netrc.netrc(path).hosts.get(host)  # `authenticators` gives `default` to any
    except netrc.NetrcParseError as error:  # what it says holds the word that it stumbled over
        raise ConfigurationError(f"{path} is no netrc file (line {error.lineno}): correct it") from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"No netrc file {path}, named in a source's credentials: write it, or set NETRC"
        ) from None
    if login is None:
        raise ConfigurationError(f"{path} has no entry for {host}: add machine {host}, with login and password")
    return login[0], login[2]
