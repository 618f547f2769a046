"""What a token changes: channels and tokens; each change and each refusal is in the audit log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from registry.server import audit
from tests.registry.server.serving import PRIVATE, PUBLIC, Served, context_in, serving


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def changed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose registry is changed, once over each kind of state."""
    from tests.registry.server.conftest import new_database

    state = new_database(request.getfixturevalue("postgresql")) if request.param == "postgresql" else ""
    with serving(context_in(tmp_path_factory.mktemp("changed"), state=state)) as running:
        yield running


def rows(served: Served, last: int) -> list[audit.Row]:
    with served.context.state.read() as connection:
        return audit.read(connection, last=last)


def eventually(served: Served, wanted: audit.Row) -> None:
    """Waits until a row is in the audit log: refusals come a moment later."""
    until = time.monotonic() + 10
    told: list[Any] = []
    while time.monotonic() < until:
        told = [(row.who, row.action, row.target, row.result, row.detail) for row in rows(served, 50)]
        if (wanted.who, wanted.action, wanted.target, wanted.result, wanted.detail) in told:
            return
        time.sleep(0.05)
    raise AssertionError(told)


def test_a_channel_is_moved_with_a_reason_by_whoever_may(changed: Served) -> None:
    """The reason and the token's name are in the channel's log and in the audit log."""
    path = f"/registry/{PRIVATE}/channels/candidate"
    answer = changed.get(path, "publish", "POST", json={"version": 1, "reason": " looks good "})
    assert answer.status_code == 200, answer.text
    entry = changed.context.store.history(PRIVATE, "candidate")[-1]
    assert (entry.version, entry.reason, entry.by) == (1, "looks good", "token publish")
    assert answer.json()["by"] == "token publish"
    row = rows(changed, 1)[0]
    assert (row.who, row.action, row.target, row.result, row.detail) == (
        "publish", "promote", f"{PRIVATE}@candidate", "done", "v1: looks good",
    )  # fmt: skip
    assert row.address == "127.0.0.1"
    assert row.token


_NO_COMMIT = {
    "sqlite": (
        "CREATE TABLE whole (n INTEGER PRIMARY KEY)",
        "CREATE TABLE part (n INTEGER REFERENCES whole (n) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER full_disk AFTER INSERT ON audit BEGIN INSERT INTO part VALUES (1); END",
    ),
    "postgresql": (
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''full''; END'",
        "CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION fails()",
    ),
}


def test_a_change_that_cannot_be_logged_is_not_made(changed: Served) -> None:
    """As on a full disk, where it is the commit that fails; and a change that can't be made isn't logged as done."""
    state = changed.context.state
    moved = {"version": 1, "reason": "x"}
    with state.begin() as connection:
        for made in _NO_COMMIT[state.engine.dialect.name]:
            connection.exec_driver_sql(made)
    try:
        own = {"Connection": "close"}  # uvicorn ends a connection after a fault that isn't foreseen
        answer = changed.get(f"/registry/{PUBLIC}/channels/unlogged", "publish", "POST", json=moved, headers=own)
    finally:
        with state.begin() as connection:
            dropped = "DROP TRIGGER full_disk"
            connection.exec_driver_sql(dropped + " ON audit" * (state.engine.dialect.name == "postgresql"))
    assert answer.status_code >= 500
    first = changed.get(f"/registry/{PUBLIC}/channels/unmade", "publish", "POST", json={**moved, "share": 0.5})
    assert first.status_code == 400
    assert {"unlogged", "unmade"}.isdisjoint(changed.context.store.channels(PUBLIC))
    assert not [
        row for row in rows(changed, 50) if row.target.endswith(("@unlogged", "@unmade")) and row.result == "done"
    ]


def test_a_channel_goes_back(changed: Served) -> None:
    """To what it held before."""
    channel = f"/registry/{PUBLIC}/channels/stable"
    answer = changed.get(f"{channel}/rollback", "publish", "POST", json={"reason": "worse"})
    assert answer.status_code == 200, answer.text
    assert changed.context.store.channels(PUBLIC)["stable"] == 1
    again = changed.get(channel, "admin", "POST", json={"version": 2, "reason": "it wasn't"})
    assert again.json()["version"] == changed.context.store.channels(PUBLIC)["stable"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"version": 1}, {"version": 1, "reason": ""}, {"version": 1, "reason": "  "}, {"version": 0, "reason": "x"},
        {"version": "v1; drop", "reason": "x"}, {"version": 1, "reason": "x", "by": "root"},
        {"version": 1, "reason": "a\x1b[2Jb"}, {"version": 1, "reason": "x" * 501}, [], None, "text",
    ],
)  # fmt: skip
def test_what_is_no_change_is_refused_and_changes_nothing(changed: Served, body: object) -> None:
    """Without a reason, with one that would write over a terminal, with an author of its own …"""
    before = changed.context.store.history(PUBLIC, "stable")
    answer = changed.get(f"/registry/{PUBLIC}/channels/stable", "publish", "POST", json=body)
    assert answer.status_code == 422, answer.text
    assert changed.context.store.history(PUBLIC, "stable") == before


def test_a_version_that_is_not_there_is_told(changed: Served) -> None:
    """404, and no word of other domains."""
    for version in (3, 10**12):
        body = {"version": version, "reason": "x"}
        answer = changed.get(f"/registry/{PUBLIC}/channels/stable", "publish", "POST", json=body)
        assert answer.status_code == 404
        assert PRIVATE not in answer.text


def test_a_cookie_changes_nothing(changed: Served) -> None:
    """What another site makes a browser send has no token: it reads with one, and can't write."""
    cookie = {"Cookie": f"driftune_token={changed.secrets['all']}"}
    assert changed.get("/api/tokens", headers=cookie).status_code == 200
    body = {"name": "evil", "domains": ["*"], "scope": "admin"}
    assert changed.get("/api/tokens", method="POST", headers=cookie, json=body).status_code == 401


def test_a_token_is_made_used_and_revoked_over_the_server(changed: Served) -> None:
    """Its secret is in one answer; it is refused from the moment that it was revoked."""
    body = {"name": "ci of team a", "domains": [PRIVATE], "scope": "read", "days": 1}
    answer = changed.get("/api/tokens", "all", "POST", json=body)
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    headers = {"Authorization": f"Bearer {made['secret']}"}
    path = f"/registry/{PRIVATE}/"
    assert changed.get(path, headers=headers).status_code == 200
    listed = changed.get("/api/tokens", "all")
    assert made["secret"] not in listed.text
    assert made["id"] in [token["id"] for token in listed.json()]
    revoked = changed.get(f"/api/tokens/{made['id']}/revoke", "all", "POST", json={"reason": "left"})
    assert revoked.json()["revoked_why"] == "left"
    assert changed.get(path, headers=headers).status_code == 401
    eventually(changed, audit.Row("ci of team a", "", "", f"GET {path}", "", audit.REFUSED, "token was revoked"))
    told = changed.get("/api/audit?last=100", "all").text
    assert "token new" in told
    assert made["secret"] not in told


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a\nb"}, {"name": "anonymous"}, {"domains": []}, {"domains": ["a b"]}, {"scope": "root"}, {"days": 0},
        {"days": 1e9}, {"days": "inf"}, {"days": "nan"},
    ],
)  # fmt: skip
def test_a_token_that_cannot_be_is_refused(changed: Served, wrong: dict[str, object]) -> None:
    """With a line that says what it may be."""
    body = {"name": "new", "domains": ["*"], "scope": "read"} | wrong
    answer = changed.get("/api/tokens", "all", "POST", json=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]


def test_refusals_are_in_the_log_without_their_queries(changed: Served) -> None:
    """Who, what, on which domain, and why not."""
    changed.get(f"/registry/{PRIVATE}/channels/?private=query", "other")
    changed.get(f"/registry/{PUBLIC}/channels/stable", "read", "POST", json={"version": 1, "reason": "x"})
    changed.get("/login", method="POST", data={"token": "dt_no"})
    seen = audit.Row("other", "", "", f"GET /registry/{PRIVATE}/channels/", PRIVATE, audit.REFUSED, "not seen")
    eventually(changed, seen)
    may = audit.Row("read", "", "", f"POST /registry/{PUBLIC}/channels/stable", PUBLIC, audit.REFUSED, "needs publish")
    eventually(changed, may)
    login = audit.Row("anonymous", "", "", "POST /login", "", audit.REFUSED, "login: token is unknown")
    eventually(changed, login)


def test_a_version_is_yanked_and_given_again(changed: Served) -> None:
    """Who publishes may yank; who administers may take that back, and end what nobody cares for."""
    version = f"/registry/{PUBLIC}/versions/2"
    answer = changed.get(f"{version}/yank", "publish", "POST", json={"reason": "it leaks"})
    assert answer.json() | {"at": ""} == {
        "ref": f"{PUBLIC}@v2", "action": "yank", "number": 1, "reason": "it leaks", "by": "token publish", "at": "",
    }  # fmt: skip
    assert changed.context.store.channels(PUBLIC)["stable"] == 1
    assert changed.get(f"{version}/unyank", "publish", "POST", json={"reason": "it doesn't"}).status_code == 403
    assert changed.get(f"{version}/unyank", "admin", "POST", json={"reason": "it doesn't"}).status_code == 200
    assert changed.context.store.channels(PUBLIC)["stable"] == 2
    for path, number in ((f"/registry/{PUBLIC}/versions/1", 1), (f"/registry/{PUBLIC}", 0)):
        assert changed.get(f"{path}/end-of-life", "admin", "POST", json={"reason": "old"}).status_code == 200
        assert changed.context.store.ended(PUBLIC)[number].reason == "old"


def test_a_version_is_promoted_for_a_share_first(changed: Served) -> None:
    """As `driftune registry promote --share` does; a share of none is no promotion."""
    path = f"/registry/{PRIVATE}/channels/stable"
    changed.get(path, "publish", "POST", json={"version": 1, "reason": "start"})
    answer = changed.get(path, "publish", "POST", json={"version": 2, "share": 0.25, "reason": "a quarter first"})
    assert answer.json()["share"] == changed.context.store.history(PRIVATE, "stable")[-1].share == 0.25
    assert changed.context.store.given(PRIVATE, "stable") == 1
    assert changed.get(path, "publish", "POST", json={"version": 2, "share": 0, "reason": "x"}).status_code == 422
