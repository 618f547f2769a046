"""Secrets and personal data: credentials by detect-secrets, telephone numbers by phonenumbers, and addresses of mail.

Detectors that go by entropy or by a variable's name are off: tests are full of hashes and of `password = "x"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings
from phonenumbers import PhoneNumberMatcher

DETECTORS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "CloudantDetector",
    "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector", "IbmCloudIamDetector",
    "IbmCosHmacDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SoftlayerDetector",
    "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
"""The detectors of detect-secrets that know a credential by its own shape."""

_SUSPECT = re.compile(r"(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{16,}|://[^\s/]*:[^\s/]*@|PRIVATE KEY")
"""What any of them could find (letters and digits in one long word): only lines that hold it are given to them."""

_ALLOWED = "detect_secrets.filters.allowlist.is_line_allowlisted"
"""The filter of lines that their authors let pass (`# pragma: allowlist secret`): what they hold is a secret to us."""

_PRIVATE_KEY, _BASIC_AUTH = "Private Key", "Basic Auth Credentials"
"""Types of secrets, as detect-secrets calls them."""

_URL = re.compile(r"://([^\s/:?#@\"']*):([^\s/?#@\"']+)@([\w.-]*)")
"""User, password and host of an address."""

_USER = re.compile(r"://[^\s/@]*$")
"""A URL up to its user."""

_MADE_UP = re.compile(
    r"(?:(?:your|my|the|a|db|database|some)?[_-]?(?:user(?:name)?|pass(?:w(?:or)?d|phrase)?|pwd?|secret|token|key)"
    r"|tiger|foo|bar|baz|spam|eggs|abc|test|example|changeme|x+|[*.]+)?\d{0,3}",
    re.IGNORECASE,
)
"""Passwords that documentation shows where a real one goes (`scott:tiger` is Oracle's)."""

_LOCAL = re.compile(r"(?:localhost|127(?:\.\d+){3}|0\.0\.0\.0|(?:host|server|hostname|domain|proxy|address|ip)?)", re.I)
"""Hosts that are the reader's own, or stand for some host."""

_MAIL = re.compile(
    r"(?<![\w.+-])[\w+-][\w.+-]*@((?:[\w-]+\.)+(?:[a-z]{2}|com|org|net|edu|gov|mil|int|info|biz|name|pro|coop|aero"
    r"|museum|mobi|app|dev|xyz|top|tech|online|site|store|cloud|email|systems|software|solutions|science|academy|digital"
    r"|agency|studio|design|group|world|life|live|today|blog|page|space|website|technology|engineering|institute"
    r"|university|network|company|consulting|services|berlin|hamburg|paris|london|swiss|ngo|eco|bio|gmbh))(?![\w(\[])",
    re.IGNORECASE,
)
"""An address of mail: the products of matrices look like one (`x@y.values`), so its last part is a domain there is."""

_RESERVED = re.compile(r"(?:.*\.)?(?:example|test|invalid|localhost|local)(?:\.(?:com|net|org))?$", re.IGNORECASE)
"""Domains that nobody can have mail at (RFC 2606, RFC 6762)."""

NOBODY, NO_NUMBER, NO_SECRET = "name@example.com", "+0 000 000", "..."
"""What stands in the place of an address, of a number, and of a line with a secret."""

_PHONE = re.compile(r"\+\d[\d ()/.-]{6,}\d")


@dataclass(frozen=True)
class Finding:
    """What is in a line.

    Attributes:
        what: What it is: `an AWS Access Key`, `an address of mail`.
        is_secret: Whether it is a credential, not personal data.
        is_masked: Whether it can be masked: a private key goes on in lines that don't show what they are.
    """

    what: str
    is_secret: bool = False
    is_masked: bool = True


class Privacy:
    """Finds lines that nobody should train on, in the texts it was shown.

    Args:
        texts: All texts that will be asked about: setting up the detectors costs more than using them.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        lines = {line for text in texts for line in text.splitlines()}
        found = {line: Finding(what) for line in lines if (what := _personal(line))}
        with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}) as settings:
            settings.disable_filters(_ALLOWED)
            for line in lines:
                if _SUSPECT.search(line) and (types := sorted(s.type for s in scan_line(line) if _is_meant(s, line))):
                    kind = _PRIVATE_KEY if _PRIVATE_KEY in types else types[0]
                    found[line] = Finding(f"a secret ({kind})", is_secret=True, is_masked=kind != _PRIVATE_KEY)
        self._found = found

    def found_in(self, text: str) -> Finding | None:
        """A secret in a text, one that can't be masked first, else personal data; None where there is neither."""
        found = [self._found[line] for line in sorted(self._found.keys() & text.splitlines())]
        return min(found, key=lambda f: (f.is_masked, not f.is_secret), default=None)

    def masked(self, text: str) -> str:
        """The text with personal data replaced by what is nobody's (who wrote it is still told), secrets by nothing."""
        if self.found_in(text) is None:
            return text
        return "".join(self._masked(line) for line in text.splitlines(keepends=True))

    def _masked(self, line: str) -> str:
        bare = line.splitlines()[0]
        found = self._found.get(bare)
        if found is None:
            return line
        indent = bare[: len(bare) - len(bare.lstrip())]
        return f"{indent}{NO_SECRET}{line[len(bare) :]}" if found.is_secret else _masked(line)


def _is_meant(secret: PotentialSecret, line: str) -> bool:
    """Whether a secret may open something: a password that is made up, or for a host of nobody's, doesn't."""
    if secret.type != _BASIC_AUTH:
        return True
    return any(
        not (_MADE_UP.fullmatch(password.strip("<>{}[]()%$")) or _LOCAL.fullmatch(host) or _RESERVED.match(host))
        for _, password, host in _URL.findall(line)
    )


def _masked(line: str) -> str:
    for found in reversed([found for found in _MAIL.finditer(line) if _is_real(found)]):
        line = f"{line[: found.start()]}{NOBODY}{line[found.end() :]}"
    for number in reversed(list(PhoneNumberMatcher(line, None))):
        line = f"{line[: number.start]}{NO_NUMBER}{line[number.end :]}"
    return line


def _personal(line: str) -> str:
    if "@" in line and any(_is_real(found) for found in _MAIL.finditer(line)):
        return "an address of mail"
    if _PHONE.search(line) and any(PhoneNumberMatcher(line, None)):
        return "a telephone number"
    return ""


def _is_real(found: re.Match[str]) -> bool:
    """Whether somebody may have this address; `git@host` is a place of code, and so is what a URL says of its user."""
    in_url = _USER.search(found.string, 0, found.start()) is not None
    return not in_url and not found[0].startswith("git@") and not _RESERVED.match(found[1])
