"""Secrets and personal data: credentials by detect-secrets, telephone numbers by phonenumbers, and addresses of mail.

Detectors that go by entropy or by a variable's name are off: tests are full of hashes and of `password = "x"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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

_SUSPECT = re.compile(r"[\w+/=-]{16,}|://[^\s/]*:[^\s/]*@|PRIVATE KEY")
"""What any of them could find: only lines that hold it are given to them."""

_MAIL = re.compile(r"(?<![\w.+-])[\w+-][\w.+-]*@((?:[\w-]+\.)+[a-zA-Z]{2,})(?![\w(\[])")
_RESERVED = re.compile(r"(?:.*\.)?(?:example|test|invalid|localhost|local)(?:\.(?:com|net|org))?$", re.IGNORECASE)
"""Domains that nobody can have mail at (RFC 2606, RFC 6762)."""

_PHONE = re.compile(r"\+\d[\d ()/.-]{6,}\d")


class Privacy:
    """Finds lines that nobody should train on; each distinct line is looked at once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def found_in(self, text: str) -> str:
        """What is found in a text (`AWS Access Key`, `an address of mail`), empty where nothing is."""
        return next((what for line in text.splitlines() if (what := self._of_line(line))), "")

    def without(self, text: str) -> str:
        """The text without the lines in which something is found."""
        return "".join(line for line in text.splitlines(keepends=True) if not self._of_line(line.rstrip("\r\n")))

    def learn(self, texts: Iterable[str]) -> None:
        """Looks at all lines of these texts at once: setting up the detectors costs more than using them."""
        lines = dict.fromkeys(line for text in texts for line in text.splitlines())
        new = [line for line in lines if line not in self._known]
        suspects = [line for line in new if _SUSPECT.search(line)]
        self._known.update((line, _personal(line)) for line in new)
        with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}):
            for line in suspects:
                secret = next(iter(scan_line(line)), None)
                if secret is not None:
                    self._known[line] = f"{secret.type}, a secret"

    def _of_line(self, line: str) -> str:
        if line not in self._known:
            self.learn([line])
        return self._known[line]


def _personal(line: str) -> str:
    if "@" in line and any(_is_real(found) for found in _MAIL.finditer(line)):
        return "an address of mail"
    if _PHONE.search(line) and any(PhoneNumberMatcher(line, None)):
        return "a telephone number"
    return ""


def _is_real(found: re.Match[str]) -> bool:
    """Whether somebody may have this address; `git@host` is a place of code."""
    return not found[0].startswith("git@") and not _RESERVED.match(found[1])
