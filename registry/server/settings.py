"""What a server is told: `DRIFTUNE_SERVE_…` in the environment, options of `driftune serve` above that."""

from __future__ import annotations

import ipaddress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from registry.errors import ConfigurationError
from registry.settings import Settings

Names = Annotated[tuple[str, ...], NoDecode]
"""Several names: in the environment with commas or blanks between them."""
Seconds = Annotated[tuple[Annotated[float, Field(ge=0)], ...], NoDecode]
"""Several times, likewise."""


class ServerSettings(BaseSettings):
    """What a server is told.

    Attributes:
        host: Address to listen on; loopback unless said otherwise.
        port: Port to listen on; 0 takes a free one.
        state: Where what changes is kept: an SQLite file, or `postgresql://…`; `server.sqlite` in the home if empty.
        namespace: What stands before the name of a domain in the Hub's names: `driftune/networkx`.
        public: Domains that anybody may read, as names or patterns; all others are private then.
        private: Domains that only tokens may read, as names or patterns; a name covers its workloads (`NAME-…`).
        upstream: Address of a hub that unknown repositories are redirected to.
        accel: Prefix of nginx' internal location over the registry: files are sent by nginx then.
        names: Names that the server may be asked by; on loopback `localhost`, else any, where there are none.
        proxy: Addresses of proxies whose `X-Forwarded-For` is believed.
        workers: Server processes.
        rate: Requests a second that one caller may go on making, in each process; 0 for any number.
        burst: Requests that one caller may make at once.
        body: Bytes of a request's body, at most.
        head: Bytes of a request's line and headers, at most.
        slow_s: Seconds that a request's head, its body, and each 48 KiB of an answer may take.
        connections: Connections at a time, in each process; more are answered with 503.
        shutdown_s: Seconds that answers under way have to end in when the server is stopped.
        url: Address of this server as subscribers and browsers reach it, for links in events and feeds.
        look_s: Seconds between two looks at the registry for what is new there.
        webhook_networks: Networks that webhooks may go to although they aren't public, as `10.1.0.0/16`.
        webhook_proxy: `http://host:port` of a proxy that webhooks go through; it looks names up then.
        webhook_s: Seconds that a receiver has to take a delivery.
        webhooks: Deliveries at a time, in each process.
        webhooks_host: Of these, to one host.
        retries: Seconds before each further attempt at a delivery; after the last it is a dead letter.
        longest_wait_s: Seconds that a receiver's `Retry-After` is kept to, at most.
        delivery_days: Days for which a delivery that arrived is still listed.
        subscriptions: That one token may have.
        streams: Streams of events at a time, in each process.
        streams_each: Of these, of one caller.
        heartbeat_s: Seconds after which a stream of events says that it is alive.
        audit_days: Days for which the audit log is kept.
        metrics: Whether `/metrics` tells Prometheus of runs and channels, of the domains that its token may read.
        audit_refusals: Refusals that the audit log keeps, at most; changes are kept for all of the days.
    """

    model_config = SettingsConfigDict(env_prefix="DRIFTUNE_SERVE_", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    state: str = ""
    namespace: str = Field(default="driftune", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    public: Names = ()
    private: Names = ()
    upstream: str = Field(default="", pattern=r"^(https?://\S+)?$")
    accel: str = Field(default="", pattern=r"^(/\S*)?$")
    names: Names = ()
    proxy: Names = ()
    workers: int = Field(default=1, ge=1, le=256)
    rate: float = Field(default=50.0, ge=0)
    burst: int = Field(default=500, ge=1)
    body: int = Field(default=1 << 20, ge=1 << 10)
    head: int = Field(default=1 << 15, ge=1 << 10)
    slow_s: float = Field(default=30.0, gt=0)
    connections: int = Field(default=800, ge=1)
    shutdown_s: int = Field(default=10, ge=0)
    url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    look_s: float = Field(default=2.0, gt=0)
    webhook_networks: Names = ()
    webhook_proxy: str = ""
    webhook_s: float = Field(default=15.0, gt=0)
    webhooks: int = Field(default=32, ge=1)
    webhooks_host: int = Field(default=4, ge=1)
    retries: Seconds = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)  # as Standard Webhooks advises
    longest_wait_s: float = Field(default=86_400.0, ge=0)
    delivery_days: float = Field(default=30.0, gt=0)
    subscriptions: int = Field(default=100, ge=0)
    streams: int = Field(default=200, ge=0)
    streams_each: int = Field(default=10, ge=0)
    heartbeat_s: float = Field(default=15.0, gt=0)
    audit_days: int = Field(default=365, ge=1)
    metrics: bool = False
    audit_refusals: int = Field(default=100_000, ge=0)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            wrong = error.errors()[0]
            name = f"DRIFTUNE_SERVE_{str(wrong['loc'][0]).upper()}"
            raise ConfigurationError(f"{name} can't be {wrong['input']!r}: {wrong['msg']}") from error

    @field_validator("public", "private", "names", "proxy", "webhook_networks", "retries", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @property
    def state_url(self) -> str:
        """Where the state is, as SQLAlchemy has it."""
        if not self.state:
            return f"sqlite:///{Settings().root / 'server.sqlite'}"
        if self.state.startswith(("postgresql://", "postgres://")):
            return "postgresql+psycopg://" + self.state.partition("://")[2]
        if "://" in self.state:
            return self.state
        return f"sqlite:///{Path(self.state).expanduser().absolute()}"

    def is_public(self, domain: str) -> bool:
        """Whether anybody may read a domain: named private goes before everything, named public before the rest."""
        lower = domain.lower()  # a file system may find a folder by other cases of its name
        if any(lower.startswith(f"{name}-") or fnmatchcase(lower, name) for name in map(str.lower, self.private)):
            return domain in self.public
        return not self.public or any(fnmatchcase(domain, name) for name in self.public)

    def answers_to(self, host: str) -> bool:
        """Whether a request's `Host` may be this; an IP address always may."""
        if not self.names and (self.proxy or not is_loopback(self.host)):
            return True
        return host in (*self.names, "localhost") or _address(host) is not None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
