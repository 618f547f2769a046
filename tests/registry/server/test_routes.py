"""Every route, with every kind of caller: who may what stands in one table, and no route is missing in it.

A row is: method and path as declared; an example of the path, with `{domain}` where a domain's name stands; what the
route needs. `expected` tells from that what each caller is answered on a public, a private and an absent domain.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from registry.identity import sha256_of_bytes
from registry.server.access import Needs, Scope
from registry.server.app import create_app
from registry.store import hashes
from tests.registry.server.serving import ABSENT, CALLERS, PRIVATE, PUBLIC, Served

OPEN = None
PUBLISH, ADMIN = Scope.PUBLISH, Scope.ADMIN
MANIFEST = "/registry/{domain}/versions/00000001/manifest.json"
VERSION = "/registry/{domain}/versions/{number}"
CHANNEL = "/registry/{domain}/channels/{channel}"
WHY = {"reason": "a test"}
SUBSCRIPTION = "/api/subscriptions/{subscription}"


@dataclass(frozen=True)
class Row:
    """What is known of a route.

    Attributes:
        method: As declared.
        path: As declared.
        example: A path to ask for; `{domain}` is replaced, and `{content}` by where the weights of a version of the
            domain lie. Without these, the route is of no domain.
        needs: What it needs; OPEN where no token is looked at.
        named: Whether it needs a token though it only reads.
        body: JSON to send.
        allowed: The statuses that mean that the caller was let in.
        headers: Further headers to send.
    """

    method: str
    path: str
    example: str
    needs: Scope | None = Scope.READ
    named: bool = False
    body: Any = None
    allowed: tuple[int, ...] = (200,)
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def of_a_domain(self) -> bool:
        """Whether it is asked of a domain."""
        return "{domain}" in self.example or "{content}" in self.example


_NONE = {"allowed": (404,)}  # there is no lake, and no upstream
HUB = [
    Row("GET", "/api/whoami-v2", "/api/whoami-v2", named=True),
    Row("GET", "/api/models", "/api/models"),
    Row("GET", "/api/datasets", "/api/datasets"),
    Row("GET", "/api/models/{rest:path}", "/api/models/driftune/{domain}/revision/stable"),
    Row("GET", "/api/datasets/{rest:path}", "/api/datasets/driftune/none", **_NONE),
    Row("GET", "/api/spaces/{rest:path}", "/api/spaces/driftune/none", **_NONE),
    Row("POST", "/api/models/{rest:path}", "/api/models/driftune/{domain}/paths-info/main", body={"paths": []}),
    Row("POST", "/api/datasets/{rest:path}", "/api/datasets/a/b/paths-info/main", body={"paths": []}, **_NONE),
    Row("GET", "/{namespace}/{name}/resolve/{rest:path}", "/driftune/{domain}/resolve/main/README.md"),
    Row("HEAD", "/{namespace}/{name}/resolve/{rest:path}", "/driftune/{domain}/resolve/main/README.md"),
    Row("GET", "/{name}/resolve/{rest:path}", "/none/resolve/main/x", **_NONE),
    Row("HEAD", "/{name}/resolve/{rest:path}", "/none/resolve/main/x", **_NONE),
    Row("GET", "/datasets/{namespace}/{name}/resolve/{rest:path}", "/datasets/a/b/resolve/main/x", **_NONE),
    Row("HEAD", "/datasets/{namespace}/{name}/resolve/{rest:path}", "/datasets/a/b/resolve/main/x", **_NONE),
]

PAGES = [
    Row("GET", "/static/{name}", "/static/page.css", OPEN),
    Row("GET", "/login", "/login", OPEN),
    Row("POST", "/login", "/login", allowed=(401,)),
    Row("POST", "/logout", "/logout", OPEN, allowed=(303,)),
    Row("GET", "/", "/"),
    Row("GET", "/domains/{domain}", "/domains/{domain}"),
    Row("GET", "/domains/{domain}/v{number}", "/domains/{domain}/v1"),
    Row("GET", "/domains/{domain}/v{number}/card", "/domains/{domain}/v1/card"),
    # Let in, and there is no lake beside this server.
    Row("GET", "/domains/{domain}/v{number}/changes", "/domains/{domain}/v1/changes", allowed=(404,)),
    Row("GET", "/domains/{domain}/v{number}/rows", "/domains/{domain}/v1/rows", allowed=(404,)),
    Row("GET", "/domains/{domain}/v{number}/pages", "/domains/{domain}/v1/pages", allowed=(404,)),
    Row("GET", "/domains/{domain}/funnel", "/domains/{domain}/funnel", allowed=(404,)),
    Row("GET", "/domains/{domain}/removals/{rule}", "/domains/{domain}/removals/unproven", allowed=(404,)),
    Row("GET", "/subscriptions", "/subscriptions", named=True),
    Row("GET", "/subscriptions/{subscription}", "/subscriptions/sub_0", named=True, allowed=(404,)),
    Row("GET", "/search", "/search"),
    Row("GET", "/symbols/{symbol}", "/symbols/0123456789abcdef", allowed=(404,)),
    Row("GET", "/changes/{change}", "/changes/0123456789abcdef", allowed=(404,)),
    Row("GET", "/rows/{row}", "/rows/0123456789abcdef", allowed=(404,)),
]

ROWS = [
    Row("GET", "/healthz", "/healthz", OPEN),
    Row("HEAD", "/healthz", "/healthz", OPEN),
    Row("GET", "/registry/", "/registry/"),
    Row("HEAD", "/registry/", "/registry/"),
    Row("GET", "/registry/registry.json", "/registry/registry.json", allowed=(200, 404)),
    Row("HEAD", "/registry/registry.json", "/registry/registry.json", allowed=(200, 404)),
    Row("GET", "/registry/files/{start}/{sha256}", "/registry/files/{content}"),
    Row("HEAD", "/registry/files/{start}/{sha256}", "/registry/files/{content}"),
    Row("GET", "/registry/{domain}/{path:path}", MANIFEST),
    Row("HEAD", "/registry/{domain}/{path:path}", MANIFEST),
    # A promotion to where the channel is changes nothing; the others are let in, and refused for what they ask.
    Row("POST", f"{CHANNEL}", "/registry/{domain}/channels/stable", PUBLISH, body={"version": 2, "reason": "a test"}),
    Row("POST", f"{CHANNEL}/rollback", "/registry/{domain}/channels/none/rollback", PUBLISH, body=WHY, allowed=(400,)),
    Row("POST", f"{VERSION}/yank", "/registry/{domain}/versions/9/yank", PUBLISH, body=WHY, allowed=(404,)),
    Row("POST", f"{VERSION}/unyank", "/registry/{domain}/versions/9/unyank", ADMIN, body=WHY, allowed=(404,)),
    Row("POST", f"{VERSION}/end-of-life", "/registry/{domain}/versions/9/end-of-life", ADMIN, body=WHY, allowed=(404,)),
    Row("POST", "/registry/{domain}/end-of-life", "/registry/{domain}/end-of-life", ADMIN, body={}, allowed=(422,)),
    Row("GET", "/api/tokens", "/api/tokens", ADMIN),
    Row("POST", "/api/tokens", "/api/tokens", ADMIN, body={"name": "made", "domains": ["x"]}, allowed=(201,)),
    Row("POST", "/api/tokens/{token}/revoke", "/api/tokens/none/revoke", ADMIN, body=WHY, allowed=(404,)),
    Row("GET", "/api/audit", "/api/audit", ADMIN),
    Row("GET", "/feed.atom", "/feed.atom"),
    Row("HEAD", "/feed.atom", "/feed.atom"),
    Row("GET", "/{domain}/feed.atom", "/{domain}/feed.atom"),
    Row("HEAD", "/{domain}/feed.atom", "/{domain}/feed.atom"),
    Row("GET", "/events", "/events?follow=false"),
    Row("GET", "/api/subscriptions", "/api/subscriptions", named=True),
    # Let in, and refused for the address: nothing is sent from tests. What follows is let in, and isn't there.
    Row(
        "POST",
        "/api/subscriptions",
        "/api/subscriptions",
        named=True,
        allowed=(400,),
        body={"domain": PUBLIC, "url": "http://127.0.0.1:9/"},
    ),
    Row("GET", f"{SUBSCRIPTION}", "/api/subscriptions/sub_0", named=True, allowed=(404,)),
    Row("DELETE", f"{SUBSCRIPTION}", "/api/subscriptions/sub_0", named=True, allowed=(404,)),
    Row("POST", f"{SUBSCRIPTION}/pause", "/api/subscriptions/sub_0/pause", named=True, allowed=(404,)),
    Row("POST", f"{SUBSCRIPTION}/resume", "/api/subscriptions/sub_0/resume", named=True, allowed=(404,)),
    Row("POST", f"{SUBSCRIPTION}/rotate", "/api/subscriptions/sub_0/rotate", named=True, allowed=(404,)),
    Row("POST", f"{SUBSCRIPTION}/test", "/api/subscriptions/sub_0/test", named=True, allowed=(404,)),
    Row("POST", f"{SUBSCRIPTION}/replay", "/api/subscriptions/sub_0/replay", named=True, allowed=(404,), body={}),
    Row("GET", f"{SUBSCRIPTION}/deliveries", "/api/subscriptions/sub_0/deliveries", named=True, allowed=(404,)),
    *HUB,
    *PAGES,
]


def routes(app: Any) -> Iterator[tuple[str, str, Needs | None]]:
    """Method, path and declaration of all that an application answers, also of what is mounted or included."""
    for route in _all_routes(app.routes):
        declared = None
        if isinstance(route, APIRoute):
            calls = [each.call for each in route.dependant.dependencies]
            declared = next((call.needs for call in calls if hasattr(call, "needs")), None)
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, route.path, declared


def _all_routes(given: Any) -> Iterator[Any]:
    for route in given:
        inner = getattr(route, "original_router", None) or getattr(getattr(route, "app", None), "router", None)
        if inner is not None and not isinstance(route, APIRoute):
            yield from _all_routes(inner.routes)
        else:
            yield route


def expected(row: Row, caller: str, domain: str) -> int:
    """The status that a caller is refused with; 0 where he is let in."""
    if row.needs is OPEN:
        return 0
    if caller in ("wrong", "expired", "revoked"):
        return 401
    of_a_domain, scope = row.of_a_domain, row.needs
    own = caller in ("read", "publish", "admin", "all")
    if of_a_domain and (domain == ABSENT or (domain == PRIVATE and not own)):
        return 401 if row.named and caller == "none" else 404
    if scope is Scope.READ:
        return 401 if row.named and caller == "none" else 0
    if caller == "none":
        return 401
    if not of_a_domain:
        return 0 if caller == "all" else 403
    held = {"other": 0, "read": 1, "publish": 2, "admin": 3, "all": 3}[caller]
    return 0 if held >= scope else 403


def _ask(served: Served, row: Row, caller: str, domain: str) -> httpx.Response:
    path = row.example.replace("{domain}", domain).replace("{content}", _content(served, domain))
    return served.get(path, caller, row.method, json=row.body, headers=dict(row.headers))


def _content(served: Served, domain: str) -> str:
    versions = served.context.store.versions(domain)
    sha256 = hashes(versions[0])["adapter_model.safetensors"] if versions else sha256_of_bytes(domain.encode())
    return f"{sha256[:2]}/{sha256}"


def test_every_route_has_a_row_and_declares_what_it_says(served: Served) -> None:
    """A route that nobody thought of isn't served: it stands in the table, and needs what the table says."""
    found = {(method, path): needs for method, path, needs in routes(create_app(served.context))}
    table = {(row.method, row.path): row for row in ROWS}
    assert len(table) == len(ROWS)
    assert sorted(found) == sorted(table)
    assert {key: needs for key, needs in found.items() if needs is None} == {}
    assert {key: (needs.scope, needs.named) for key, needs in found.items() if needs} == {
        key: (row.needs, row.named) for key, row in table.items()
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_each_caller_is_answered_what_the_table_says(served: Served, row: Row) -> None:
    """No, wrong, expired, revoked, other-domain, read-only … token, on a public, a private and an absent domain.

    And whatever is answered to who doesn't see a domain doesn't name it.
    """
    for domain in (PUBLIC, PRIVATE, ABSENT):
        for caller in CALLERS:
            response = _ask(served, row, caller, domain)
            refused = expected(row, caller, domain)
            wanted = (refused,) if refused else row.allowed
            assert response.status_code in wanted, (caller, domain, response.text)
            if caller in ("none", "other") and domain != PRIVATE:
                assert PRIVATE not in f"{response.text} {response.headers}"


def test_what_may_not_be_seen_is_answered_as_what_does_not_exist(served: Served) -> None:
    """Of a private domain nobody learns that there is one: same status, same headers, same body."""
    of_domains = [row for row in ROWS if row.of_a_domain]
    forms = ((), (("Accept", "text/html"),))
    for row, caller, form in itertools.product(of_domains, ("none", "other"), forms):
        asked = dataclasses.replace(row, headers=row.headers + form)
        hidden, absent = _ask(served, asked, caller, PRIVATE), _ask(served, asked, caller, ABSENT)
        assert hidden.status_code == absent.status_code
        assert hidden.text.replace(PRIVATE, "…") == absent.text.replace(ABSENT, "…")
        assert _steady(hidden) == _steady(absent)


def _steady(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in ("date", "content-length")}
