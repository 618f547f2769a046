"""`--exec`: a command that is run for each version, at least once.

The command gets the news as one JSON object on its standard input, and the facts that scripts ask for in environment
variables. It is no shell's unless it names one. What it says goes where driftune's own output goes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.server import die_with_parent
from flows.subscribing.loop import told
from flows.subscribing.memory import Memory
from flows.subscribing.news import news
from registry.errors import ConfigurationError, DriftuneError
from registry.records import Adapter
from registry.store import Store


class Command:
    """Runs a command for each new version.

    Args:
        line: The command, as a shell would split it.
        store: Where the adapter's files are.
        channel: The channel that is followed.
        memory: What it was run for.
        limit_s: Seconds that it may take.

    Raises:
        ConfigurationError: The line is no command.
    """

    def __init__(self, line: str, store: Store, channel: str, memory: Memory, limit_s: float) -> None:
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise ConfigurationError(f"--exec {line!r} can't be read as a command: {error}") from error
        if not self._words:
            raise ConfigurationError("--exec names no command: write one, as --exec './deploy.sh networkx'")
        self._store, self._channel, self._memory, self._limit_s = store, channel, memory, limit_s

    def __call__(self, adapter: Adapter) -> None:
        """Run it where it hasn't ended well for this version yet.

        Raises:
            DriftuneError: It failed, took too long, or can't be started: it is tried again.
        """
        name = f"{adapter.domain} v{adapter.version}"
        if adapter.id == self._memory.adapter:
            return
        said = news(self._store, self._channel, adapter, self._previous(adapter.domain))
        folder = self._store.folder(adapter)
        code = _run(self._words, json.dumps(said).encode(), facts(said["data"], folder), self._limit_s)
        if code != 0:
            raise DriftuneError(f"The command for {name} ended with exit code {code}", retryable=True, exit_code=code)
        self._memory.done(adapter.id, adapter.version)
        told(f"The command for {name} ended with exit code 0")

    def _previous(self, domain: str) -> Adapter | None:
        """The version that it was run for last; None where there is none, or it isn't there any more."""
        with contextlib.suppress(ConfigurationError):
            return (
                self._store.resolve(f"{domain}@v{self._memory.version}", yanked=True) if self._memory.version else None
            )
        return None


def facts(said: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """What scripts ask for, as environment variables."""
    return {
        "DRIFTUNE_DOMAIN": said["domain"],
        "DRIFTUNE_CHANNEL": said["channel"],
        "DRIFTUNE_VERSION": str(said["version"]),
        "DRIFTUNE_PREVIOUS": str(said["previous_version"] or ""),
        "DRIFTUNE_ADAPTER": said["adapter"],
        "DRIFTUNE_FOLDER": str(folder),
        "DRIFTUNE_BASE": said["base"]["name"],
        "DRIFTUNE_RANGE": said["library_range"],
    }


def _run(words: Sequence[str], sent: bytes, variables: Mapping[str, str], limit_s: float) -> int:
    """A command's exit code. It ends with this process; where it takes too long, what it started ends too."""
    try:
        child = subprocess.Popen(
            words, stdin=subprocess.PIPE, env=os.environ | variables, start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),
        )  # fmt: skip
    except OSError as error:
        raise DriftuneError(f"Can't start {words[0]!r}: {error.strerror}. Correct --exec", retryable=True) from error
    try:
        child.communicate(sent, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise DriftuneError(
            f"{words[0]!r} took longer than {limit_s:.0f} s and was killed: allow it more with --limit", retryable=True
        ) from error
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return child.returncode
