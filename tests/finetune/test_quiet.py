"""Settings for the length of a block: they hold whatever was set before, and that comes back."""

from __future__ import annotations

import os

import pytest

from finetune import quiet


def test_nothing_is_asked_of_the_hub_whatever_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that says otherwise doesn't hold within; afterwards it says so again, and what wasn't set isn't."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    with pytest.raises(KeyboardInterrupt), quiet.single_process():
        assert os.environ["HF_HUB_OFFLINE"] == os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
        raise KeyboardInterrupt
    assert os.environ["HF_HUB_OFFLINE"] == "0"
    assert "HF_HUB_DISABLE_TELEMETRY" not in os.environ
