"""`/registry/…`: the registry's own objects, read-only, for driftune's clients; each domain under its access rule.

    /registry/                                 names of the domains that the caller sees, and of `registry.json`
    /registry/registry.json                    what holds for the whole registry
    /registry/files/<sha256[:2]>/<sha256>      content of a version that he sees
    /registry/<domain>/<path>                  manifests, signatures, channels, standing
    /registry/<domain>/<path>/                 the names below that: {"names": […]}

An object never changes, so its ETag is the SHA-256 of its bytes. Large ones are sent by nginx where it stands before.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response

from registry.errors import RegistryError
from registry.identity import sha256_of_bytes
from registry.records import Adapter
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context
from registry.server.errors import unknown
from registry.server.sending import send
from registry.store import Store, hashes

ROOT = ("registry.json",)
"""Objects that are no domain's."""
FOLDERS = ("versions", "signatures", "channels", "standing")
"""What lies below a domain."""

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_PATH = re.compile(rf"{_PART}(/{_PART}){{0,5}}")

Reader = Annotated[Caller, needs(Scope.READ)]
Served = Annotated[Context, Depends(context_of)]


class Contents:
    """Which versions hold a content; manifests never change, so each is looked at but once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked = -1.0
        self._known: set[tuple[str, int]] = set()
        self._held: dict[str, dict[str, tuple[Adapter, str]]] = defaultdict(dict)

    def find(self, store: Store, caller: Caller, sha256: str) -> tuple[Adapter, str] | None:
        """A version with that content that the caller sees, and the content's name there; None where there is none."""
        found = self._seen(caller, sha256)
        if found is None:
            asked = time.monotonic()
            with self._lock:
                if self._looked < asked:  # else somebody has looked since, while this one waited
                    self._looked = time.monotonic()
                    self._look(store)
            found = self._seen(caller, sha256)
        return found

    def _seen(self, caller: Caller, sha256: str) -> tuple[Adapter, str] | None:
        held = list(self._held.get(sha256, {}).items())
        return next((version for domain, version in held if caller.sees(domain)), None)

    def _look(self, store: Store) -> None:
        for domain in store.domains():
            with contextlib.suppress(RegistryError):  # a domain that is broken hides no other
                for adapter in store.versions(domain):
                    self._add(adapter)

    def _add(self, adapter: Adapter) -> None:
        if (adapter.domain, adapter.version) not in self._known:
            self._known.add((adapter.domain, adapter.version))
            for name, sha256 in hashes(adapter).items():
                self._held[sha256].setdefault(adapter.domain, (adapter, name))


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.contents = Contents()
    yield


router = APIRouter(prefix="/registry", lifespan=_lifespan)


@router.api_route("/", methods=["GET", "HEAD"])
def domains(request: Request, caller: Reader, context: Served) -> Response:
    """The domains that the caller sees."""
    seen = [domain for domain in context.store.domains() if caller.sees(domain)]
    there = [name for name in ROOT if context.store.objects.stat(name) is not None]
    return _names(request, context, sorted([*seen, *there]))


@router.api_route("/registry.json", methods=["GET", "HEAD"])
def about(request: Request, _caller: Reader, context: Served) -> Response:
    """What holds for the whole registry."""
    return _object(request, context, "registry.json")


@router.api_route("/files/{start}/{sha256}", methods=["GET", "HEAD"])
def content(request: Request, start: str, sha256: str, caller: Reader, context: Served) -> Response:
    """The content of a hash, if a version that the caller sees holds it."""
    contents = cast(Contents, request.app.state.contents)
    found = contents.find(context.store, caller, sha256) if start == sha256[:2] else None
    if found is None:
        raise unknown("such content")
    adapter, name = found
    return send(request, context, lambda: context.store.file(adapter, name), sha256)


@router.api_route("/{domain}/{path:path}", methods=["GET", "HEAD"])
def below(request: Request, domain: str, path: str, _caller: Reader, context: Served) -> Response:
    """An object of a domain; or, with a slash at its end, the names below it."""
    inner = path.removesuffix("/")
    if inner and not (_PATH.fullmatch(inner) and inner.split("/")[0] in FOLDERS):
        raise unknown(f"object {path!r} of {domain}")
    if inner == path and path:
        return _object(request, context, f"{domain}/{path}")
    names = context.store.objects.names(f"{domain}/{inner}".rstrip("/"))
    return _names(request, context, [name for name in names if inner or name in FOLDERS])


def _names(request: Request, context: Context, names: list[str]) -> Response:
    """Names below a path; who looks again and again is told that nothing is new."""
    data = json.dumps({"names": names}).encode()
    return send(request, context, lambda: data, sha256_of_bytes(data), media="application/json")


def _object(request: Request, context: Context, path: str) -> Response:
    if context.store.objects.stat(path) is None:
        raise unknown(f"object {path!r}")
    data = context.store.objects.read(path)
    return send(request, context, lambda: data, sha256_of_bytes(data))
