"""Where things lie: `DRIFTUNE_HOME`, `DRIFTUNE_LAKE`, `DRIFTUNE_REGISTRY`; and which keys are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from registry.errors import ConfigurationError


class Settings(BaseSettings):
    """Locations, from the environment.

    Attributes:
        home: Local folder of catalogue, caches, environments, bases, locks and Prefect's home.
        lake: fsspec URL of the lake; `lake` in the home folder where empty.
        registry: Folder or URL of the adapters; `registry` in the home folder where empty.
        signing_key: File of the private key that signs what is published; `keys/signing.pem` in the home folder, if
            there is one, where empty.
        trusted_keys: File of the keys that are trusted; `trusted-keys.json` in the home folder where empty.
        token: What a registry's server knows this one by, where the registry is a server.
        stuck_minutes: Minutes without progress after which a run is ended as stuck; 0 for never.
        stage_hours: Hours that a command's stages may take in a run, where the domain's `[deadlines]` say nothing; 0
            for any number.
        log: What commands say on standard error: `text`, or `json`: an object a line.
        metrics: `HOST:PORT` on which a run offers its metrics to Prometheus while it lives; nowhere where empty.
        engine: What a run is spread over: `threads`, `processes` or `ray`.
        ray_address: `HOST:PORT`, `ray://HOST:PORT` or `auto` of a Ray cluster; one of this machine where empty.
        tries: How often something is tried that trying again can help, as a source that is away.
        sandbox_mb: What environments and wheels may take in the home folder; those used longest ago go first.
        nightly_cost: Money that trainings and LLMs of all the lake's domains may cost from noon to noon, UTC; 0: any.
        disk_mb: What the home folder may take; before a stage environments, wheels and copies of a lake's files make
            room, and where that isn't enough a run stops. 0: as much as there is.
        lease_s: Seconds without a sign of life after which another machine may take over a domain of a lake on S3.
    """

    model_config = SettingsConfigDict(env_prefix="DRIFTUNE_", extra="ignore")

    home: Path = Path(".driftune")
    lake: str = ""
    registry: str = ""
    signing_key: str = ""
    trusted_keys: str = ""
    token: str = Field(default="", repr=False)
    stuck_minutes: float = Field(default=60.0, ge=0)
    stage_hours: float = Field(default=24.0, ge=0)
    log: Literal["text", "json"] = "text"
    metrics: str = Field(default="", pattern=r"^(\S+:\d{1,5})?$")
    engine: str = "threads"
    ray_address: str = ""
    tries: int = Field(default=3, ge=1, le=100)
    sandbox_mb: int = Field(default=10_000, ge=0)
    nightly_cost: float = Field(default=0.0, ge=0)
    disk_mb: int = Field(default=0, ge=0)
    lease_s: float = Field(default=120, ge=2, le=86_400)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            wrong = error.errors()[0]
            name = f"DRIFTUNE_{str(wrong['loc'][0]).upper()}"
            raise ConfigurationError(f"{name} can't be {wrong['input']!r}: {wrong['msg']}") from error

    @property
    def root(self) -> Path:
        """The home folder, absolute."""
        return self.home.expanduser().absolute()

    @property
    def lake_url(self) -> str:
        """Where the lake is: an absolute path or a URL."""
        return _place(self.lake) or str(self.root / "lake")

    @property
    def lake_folder(self) -> Path | None:
        """The lake's folder; None where it is on an object store."""
        protocol, separator, rest = self.lake_url.partition("://")
        return Path(rest if separator else protocol) if not separator or protocol == "file" else None

    @property
    def journal(self) -> Path:
        """The journal of all that LLMs were asked in this home."""
        return self.root / "llm.sqlite"

    @property
    def registry_url(self) -> str:
        """Where the adapters are: an absolute path or a URL."""
        return _place(self.registry) or str(self.root / "registry")

    @property
    def signing_key_path(self) -> Path:
        """Where the private key is, or would be."""
        return Path(self.signing_key).expanduser().absolute() if self.signing_key else self.root / "keys/signing.pem"

    @property
    def trusted_keys_path(self) -> Path:
        """Where the trusted keys are, or would be."""
        return Path(self.trusted_keys).expanduser().absolute() if self.trusted_keys else self.root / "trusted-keys.json"


def _place(said: str) -> str:
    """A URL as it is, a path made absolute."""
    return said if "://" in said or not said else str(Path(said).expanduser().absolute())
