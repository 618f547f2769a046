"""What is sent along: headers that can be, and what of them is kept out of everything that is told."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote

from registry.errors import ConfigurationError
from registry.web.answers import CUT, shown

PRINTABLE = re.compile(r"[\x20-\x7e]{1,2000}")
"""A header's value that can be sent as it is."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "upgrade", "te"})
"""Headers that the client writes by itself."""
_SHORTEST = 4
"""Characters from which on a text is masked: a shorter one stands in every page."""


def sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that can be sent as they are.

    Raises:
        ConfigurationError: One can't be; its value is not told.
    """
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS or not PRINTABLE.fullmatch(value):
            raise ConfigurationError(
                f"The header {shown(name)!r} can't be sent: it takes printable ASCII, at most 2,000 characters"
            )
    return dict(headers)


class Mask:
    """Takes secrets out of what is told.

    Args:
        headers: The headers that were made to open a host.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        found = {secret for value in headers.values() for secret in _secrets(value)}
        self._secrets = sorted(found, key=len, reverse=True)

    def text(self, text: str) -> str:
        """A text without them, as they are, percent-encoded, or cut off where `shown` ends."""
        plain = self._without(text)
        decoded = unquote(plain)
        return plain if self._without(decoded) == decoded else shown(self._without(decoded))

    def _without(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
            for end in range(len(secret) - 1, _SHORTEST - 1, -1) if CUT in text else ():
                text = text.replace(secret[:end] + CUT, f"***{CUT}")
        return text

    def body(self, body: bytes) -> bytes:
        """A body without them."""
        for secret in self._secrets:
            body = body.replace(secret.encode(), b"***")
        return body


def _secrets(value: str) -> set[str]:
    """What of a header's value opens something: itself, what follows its scheme, and the password in that."""
    scheme, _, rest = value.partition(" ")
    found = {value, rest}
    if scheme.lower() == "basic":
        try:
            plain = base64.b64decode(rest, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            plain = ""
        found |= {plain, plain.partition(":")[2]}
    return {secret for secret in found if len(secret) >= _SHORTEST}
