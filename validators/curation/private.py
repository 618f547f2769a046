"""Secrets and personal data: credentials by detect-secrets, telephone numbers by phonenumbers, and addresses of mail.

Detectors that go by entropy or by a variable's name are off: tests are full of hashes and of `password = "x"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

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

_MAIL = re.compile(r"(?<![\w.+-])[\w+-][\w.+-]*@((?:[\w-]+\.)+[a-zA-Z]{2,})(?![\w(\[])")
_RESERVED = re.compile(r"(?:.*\.)?(?:example|test|invalid|localhost|local)(?:\.(?:com|net|org))?$", re.IGNORECASE)
"""Domains that nobody can have mail at (RFC 2606, RFC 6762)."""

NOBODY, NO_NUMBER = "name@example.com", "+0 000 000"
"""What stands in the place of an address and of a number."""

_PHONE = re.compile(r"\+\d[\d ()/.-]{6,}\d")


@dataclass(frozen=True)
class Finding:
    """What is in a line.

    Attributes:
        what: What it is: `an AWS Access Key`, `an address of mail`.
        is_secret: Whether it is a credential, not personal data.
    """

    what: str
    is_secret: bool = False


class Privacy:
    """Finds lines that nobody should train on, in the texts it was shown.

    Args:
        texts: All texts that will be asked about: setting up the detectors costs more than using them.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        lines = {line for text in texts for line in text.splitlines()}
        found = {line: Finding(what) for line in lines if (what := _personal(line))}
        with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}):
            for line in lines:
                if _SUSPECT.search(line) and (secret := next(iter(scan_line(line)), None)) is not None:
                    found[line] = Finding(f"a secret ({secret.type})", is_secret=True)
        self._found = dict(sorted(found.items()))

    def found_in(self, text: str) -> Finding | None:
        """The first secret in a text, else the first personal data; None where there is neither."""
        found = [finding for line, finding in self._found.items() if line in text and line in text.splitlines()]
        return min(found, key=lambda f: not f.is_secret, default=None)

    def masked(self, text: str) -> str:
        """The text with personal data replaced by what is nobody's; who wrote it is still told."""
        if self.found_in(text) is None:
            return text
        lines = text.splitlines(keepends=True)
        return "".join(_masked(line) if line.splitlines()[0] in self._found else line for line in lines)


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
    """Whether somebody may have this address; `git@host` is a place of code."""
    return not found[0].startswith("git@") and not _RESERVED.match(found[1])
