"""What the Hub's API answers, request by request: conditions, ranges, errors, and who is told of what."""

from __future__ import annotations

import hashlib
import http.client
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from registry.errors import DriftuneError
from registry.server import tokens
from registry.server.errors import RefusedError
from registry.server.hub.names import Asked, asked_of_api, asked_of_files
from tests.registry.server.hub.stocked import BASE, MIRROR, PADDING, SPLITS
from tests.registry.server.hub.stocked import COMMIT as MIRRORED
from tests.registry.server.hub.upstreamed import COMMIT, FILES, Upstream
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served

WEIGHTS = f"/driftune/{OTHER}/resolve/v2/adapter_model.safetensors"


@pytest.mark.parametrize(
    ("path", "kind", "repo", "what", "revision", "inside"),
    [
        ("/api/models/a/b", "models", "a/b", "info", "main", ""),
        ("/api/models/gpt2", "models", "gpt2", "info", "main", ""),
        ("/api/models/gpt2/revision/x", "models", "gpt2", "revision", "x", ""),
        ("/api/datasets/a/b/revision/refs%2Fpr%2F1", "datasets", "a/b", "revision", "refs/pr/1", ""),
        ("/api/models/a/b/tree/main/data%2Fmore", "models", "a/b", "tree", "main", "data/more"),
        ("/api/models/a/b/refs", "models", "a/b", "refs", "main", ""),
        ("/a/b/resolve/main/x/y.json", "models", "a/b", "resolve", "main", "x/y.json"),
        ("/gpt2/resolve/main/x", "models", "gpt2", "resolve", "main", "x"),
        ("/datasets/a/b/resolve/refs%2Fpr%2F1/x", "datasets", "a/b", "resolve", "refs/pr/1", "x"),
        ("/a/resolve/resolve/main/resolve", "models", "a/resolve", "resolve", "main", "resolve"),
    ],
)
def test_paths_are_read_as_clients_write_them(
    path: str, kind: str, repo: str, what: str, revision: str, inside: str
) -> None:
    """Encoded slashes stay within a revision or a path; names without a namespace are names."""
    read = asked_of_api if path.startswith("/api") else asked_of_files
    assert read(path.encode()) == Asked(kind, repo, what, revision, inside)


@pytest.mark.parametrize(
    "path",
    [
        "/a/b/resolve/main/../../../etc/passwd", "/a/b/resolve/main/%2e%2e/%2e%2e/x", "/a/b/resolve/..%2f..%2fx/y",
        "/a/b/resolve/main/x%00.json", "/a/b/resolve/main/x%0d%0aX-Evil:1", "/a/b/resolve/main/%ff",
        "/a/b/resolve/main//x", "/a/b/resolve/main/" + "x" * 5000, "/a/b/resolve/main/..%5c..%5cx", "/a/../resolve/m/x",
        "/a/b/resolve/main", "/api/models/%2e%2e/x", "/api/models/a/b/tree/main/..%2F..%2Fx", "/api/other/a/b",
    ],
)  # fmt: skip
def test_paths_that_no_client_makes_are_refused(path: str) -> None:
    """Climbing, control characters, what is no UTF-8, what is empty or too long: 400, before anything is looked up."""
    read = asked_of_api if path.startswith("/api") else asked_of_files
    with pytest.raises(RefusedError) as refused:
        read(path.encode())
    assert refused.value.status == 400
    assert not isinstance(refused.value, DriftuneError)


def test_raw_paths_reach_no_file_of_the_machine(hub: Served) -> None:
    """Sent as they are, with no client that mends them: never a file that isn't one of the version's."""
    host = urlsplit(hub.address).netloc
    start = f"/driftune/{PUBLIC}/resolve/main"
    for path in (f"{start}/../../../server.sqlite", f"{start}/%2e%2e/%2e%2e/%2e%2e/server.sqlite",
                 f"{start}/%2Fetc%2Fpasswd", f"{start}/x%00", f"/{BASE}/resolve/main/checkpoint.pt",
                 f"/{BASE}/resolve/main/.hidden", f"/driftune/{PUBLIC}/resolve/..%2f..%2f{PRIVATE}/README.md",
                 f"/datasets/driftune/{PUBLIC}/resolve/main/export.json", start + "/" + "a" * 9000):  # fmt: skip
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("GET", path)
        assert connection.getresponse().status in (400, 404), path
        connection.close()


def test_a_file_comes_with_commit_hash_and_name(hub: Served) -> None:
    """HEAD and GET say the same: the commit, the content's SHA-256 as ETag, its size, and never HTML."""
    head, got = (hub.get(WEIGHTS, method=method) for method in ("HEAD", "GET"))
    sha256 = hashlib.sha256(got.content).hexdigest()
    assert head.status_code == got.status_code == 200
    assert not head.content
    for name, value in {
        "etag": f'"{sha256}"', "x-linked-etag": f'"{sha256}"', "x-linked-size": str(len(got.content)),
        "content-length": str(len(got.content)), "accept-ranges": "bytes", "x-content-type-options": "nosniff",
        "content-type": "application/octet-stream", "cache-control": "private, no-cache",
        "x-repo-commit": hub.context.store.resolve(f"{OTHER}@v2").id[:40],
    }.items():  # fmt: skip
        assert (head.headers[name], got.headers[name]) == (value, value), name
    assert 'filename="adapter_model.safetensors"' in got.headers["content-disposition"]
    assert len(got.content) > PADDING


def test_ranges_and_conditions(hub: Served) -> None:
    """A cut download goes on where it ended, unless the file became another; what a client has isn't sent again."""
    whole = hub.get(WEIGHTS)
    etag, size = whole.headers["etag"], len(whole.content)
    part = hub.get(WEIGHTS, headers={"Range": f"bytes={size - 10}-"})
    assert (part.status_code, part.content) == (206, whole.content[-10:])
    assert part.headers["content-range"] == f"bytes {size - 10}-{size - 1}/{size}"
    assert part.headers["etag"] == etag
    assert hub.get(WEIGHTS, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert hub.get(WEIGHTS, headers={"Range": "bytes=0-9", "If-Range": etag}).status_code == 206
    for other in ('"other"', whole.headers["last-modified"], f"W/{etag}"):
        assert len(hub.get(WEIGHTS, headers={"Range": "bytes=0-9", "If-Range": other}).content) == size
    for known in (etag, f'"other", W/{etag}', "*"):
        unchanged = hub.get(WEIGHTS, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    assert hub.get(WEIGHTS, headers={"If-None-Match": '"other"'}).status_code == 200


def test_errors_are_the_hubs_own(hub: Served) -> None:
    """Each comes with the code that clients read, and a missing file with the commit that it is missing in."""
    for path, status, code in (
        ("/api/models/driftune/nothing", 404, "RepoNotFound"),
        (f"/api/models/driftune/{PUBLIC}/revision/v9", 404, "RevisionNotFound"),
        (f"/driftune/{PUBLIC}/resolve/beta/x", 404, "RevisionNotFound"),
        (f"/driftune/{PUBLIC}/resolve/main/x", 404, "EntryNotFound"),
        (f"/driftune/{PUBLIC}-v9/resolve/main/x", 404, "RepoNotFound"),
        (f"/driftune/{PUBLIC}/resolve/main/%00", 400, "BadRequest"),
    ):
        for method in ("HEAD", "GET"):
            answer = hub.get(path, method=method) if "/api/" not in path or method == "GET" else hub.get(path)
            assert (answer.status_code, answer.headers["x-error-code"]) == (status, code), path
            assert answer.headers["x-error-message"]
    missing = hub.get(f"/driftune/{PUBLIC}/resolve/v1/x", method="HEAD")
    assert missing.headers["x-repo-commit"] == hub.context.store.resolve(f"{PUBLIC}@v1").id[:40]
    wrong = hub.get(f"/driftune/{PUBLIC}/resolve/main/README.md", "wrong")
    assert (wrong.status_code, wrong.headers["x-error-message"]) == (401, "Invalid credentials in Authorization header")
    assert hub.get("/api/whoami-v2").status_code == 401
    assert hub.get("/api/whoami-v2", "read").json()["auth"]["accessToken"]["displayName"] == "read"
    assert hub.get(f"/api/models/driftune/{PUBLIC}/commit/main", method="POST").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/driftune/{}", "/api/models/driftune/{}/revision/stable", "/api/models/driftune/{}/refs",
        "/api/models/driftune/{}/tree/main", "/api/models/driftune/{}/commits/main", "/api/models/driftune/{}-v1",
        "/driftune/{}/resolve/main/README.md", "/driftune/{}-v1/resolve/main/README.md", "/api/datasets/driftune/{}",
        "/datasets/driftune/{}/resolve/main/README.md",
    ],
)  # fmt: skip
def test_what_is_private_is_as_if_it_were_not(hub: Served, upstream: Upstream, path: str) -> None:
    """Without a token for it, a private domain is answered as one that doesn't exist, and named to no upstream."""
    for caller in ("none", "other"):
        hidden, absent = hub.get(path.format(PRIVATE), caller), hub.get(path.format("absent"), caller)
        assert (hidden.status_code, hidden.content) == (404, absent.content)
        assert {**hidden.headers, "date": ""} == {**absent.headers, "date": ""}
    assert hub.get(path.format(PRIVATE), "read").status_code == 200
    assert not [asked for asked in upstream.paths() if PRIVATE in asked or "absent" in asked]


def test_listings_show_what_a_caller_sees(hub: Served) -> None:
    """By namespace, a part of the name and tags, page by page; private domains to their readers alone."""

    def names(query: str, caller: str = "none") -> list[str]:
        return [row["id"] for row in hub.get(f"/api/models?{query}", caller).json()]

    shown = [f"driftune/{PUBLIC}", f"driftune/{OTHER}", BASE]
    assert names("author=driftune") == sorted(shown, key=lambda name: (name == BASE, name))
    assert f"driftune/{PRIVATE}" in names("author=driftune", "read")
    assert names("author=others") == [MIRROR]
    assert names("author=nobody") == []
    assert names("search=NETW&filter=peft&filter=lora") == [f"driftune/{PUBLIC}"]
    assert names(f"filter=base_model:{MIRROR}") == [f"driftune/{OTHER}"]
    assert hub.get(f"/api/models/driftune/networkx/tree/main?limit={'9' * 5000}").status_code == 200
    first = hub.get("/api/models?limit=2")
    assert len(first.json()) == 2
    following = httpx.get(first.links["next"]["url"], trust_env=False)
    assert [row["id"] for row in (*first.json(), *following.json())] == names("")
    assert "next" not in following.links
    [told] = hub.get(f"/api/models?search={PRIVATE}&expand=sha", "read").json()
    assert sorted(told) == ["_id", "id", "sha"]
    assert [row["id"] for row in hub.get("/api/datasets").json()] == [f"driftune/{PUBLIC}", f"driftune/{OTHER}"]


def test_a_domain_that_cannot_be_read_hides_no_other(hub: Served) -> None:
    """It is left out of listings and told in the log; what is asked of it fails, and of nothing else."""
    place = Path(hub.context.store.url) / "brokenlib" / "versions" / "00000001"
    place.mkdir(parents=True)
    (place / "manifest.json").write_text("{")
    try:
        listed = [row["id"] for row in hub.get("/api/models").json()]
        assert listed == [f"driftune/{PUBLIC}", f"driftune/{OTHER}", BASE, MIRROR]
        assert hub.get(f"/{BASE}/resolve/main/config.json").status_code == 200
        assert hub.get("/api/models?filter=peft").status_code == 200
        assert hub.get("/api/models/driftune/brokenlib").status_code >= 400
    finally:
        shutil.rmtree(place.parents[1])


def test_revisions_of_a_domain(hub: Served) -> None:
    """`main` is stable; channels, versions and commits name the same, and each version is a repository of its own."""
    store = hub.context.store
    ids = {number: store.resolve(f"{PUBLIC}@v{number}").id[:40] for number in (1, 2)}
    for revision, number in (("main", 1), ("stable", 1), ("candidate", 2), ("v1", 1), ("v2", 2), (ids[2], 2)):
        found = hub.get(f"/api/models/driftune/{PUBLIC}/revision/{revision}").json()
        assert found["sha"] == ids[number], revision
    for name in (f"{PUBLIC}-v2", f"{PUBLIC}--v2"):
        assert hub.get(f"/api/models/driftune/{name}").json()["sha"] == ids[2]
    assert [c["id"] for c in hub.get(f"/api/models/driftune/{PUBLIC}/commits/v2").json()] == [ids[2], ids[1]]


def test_a_yanked_version_is_left_to_those_who_name_its_commit(hub: Served) -> None:
    """`main` goes back to what it held before, the tag is refused with the reason, and the commit is still there."""
    store, before = hub.context.store, hub.context.store.resolve(f"{OTHER}@v1")
    after = store.resolve(f"{OTHER}@v2")
    store.promote(OTHER, 2, "beta")
    store.yank(f"{OTHER}@v2", "loops for ever", "ann")
    try:
        refused = hub.get(f"/api/models/driftune/{OTHER}/revision/v2")
        assert (refused.status_code, refused.headers["x-error-code"]) == (404, "RevisionNotFound")
        assert "yanked" in refused.headers["x-error-message"]
        assert "loops for ever" in refused.headers["x-error-message"]
        assert hub.get(f"/api/models/driftune/{OTHER}-v2").status_code == 404
        assert hub.get(f"/api/models/driftune/{OTHER}/revision/{after.id[:40]}").json()["sha"] == after.id[:40]
        refs = hub.get(f"/api/models/driftune/{OTHER}/refs").json()
        assert [ref["name"] for ref in refs["tags"]] == ["v1"]
        assert {ref["targetCommit"] for ref in refs["branches"]} == {before.id[:40]}
        assert len(hub.get("/api/models").json()) == 4
    finally:
        store.unyank(f"{OTHER}@v2", "it doesn't", "ann")


def test_a_channel_that_moves_for_a_share_gives_each_caller_his_side(hub: Served) -> None:
    """A caller with a token gets what the store gives him, and who has none keeps the old one until it is for all."""
    store = hub.context.store
    with hub.context.state.begin() as connection:
        who = {name: tokens.find(connection, hub.secrets[name]) for name in ("read", "other", "admin", "all")}
    store.promote(OTHER, 1, "rolled")
    for share in (0.5, 1.0):
        store.promote(OTHER, 2, "rolled", share=share)
        path = f"/api/models/driftune/{OTHER}/revision/rolled"
        for name, token in who.items():
            wanted = store.resolve(f"{OTHER}@rolled", who=token.id if token else "")
            assert hub.get(path, name).json()["sha"] == wanted.id[:40], (share, name)
        anonymous = store.resolve(f"{OTHER}@v{1 if share < 1 else 2}")
        assert hub.get(path).json()["sha"] == anonymous.id[:40]


def test_a_snapshot_keeps_what_is_held_out_apart(hub: Served) -> None:
    """A file a split, each with its own rows; licence, source and proof in every row; named by snapshot and version."""
    import io

    import pyarrow.parquet as pq

    at = {name: hub.get(f"/api/datasets/driftune/{PUBLIC}/revision/{name}").json() for name in ("main", "v1")}
    assert at["main"] == at["v1"]
    names = [row["rfilename"] for row in at["main"]["siblings"]]
    assert names == ["README.md", *sorted(f"data/{split}.parquet" for split in SPLITS)]
    for split, count in SPLITS.items():
        got = hub.get(f"/datasets/driftune/{PUBLIC}/resolve/v1/data/{split}.parquet")
        rows = pq.read_table(io.BytesIO(got.content)).to_pylist()
        assert len(rows) == count
        assert {row["family"] for row in rows} == {split}
        assert all(row["licence"] and row["source_url"] and row["proof"] and row["code_new"] for row in rows)
    card = hub.get(f"/datasets/driftune/{PUBLIC}/resolve/v1/README.md").text
    assert "| BSD-3-Clause | 9 |" in card
    assert "Nothing may be trained on context, symbol, dev" in card
    tree = hub.get(f"/api/datasets/driftune/{PUBLIC}/tree/main").json()
    assert [(row["type"], row["path"]) for row in tree] == [("file", "README.md"), ("directory", "data")]


def test_a_base_is_given_as_adapters_name_it(hub: Served, upstream: Upstream) -> None:
    """By name and revision, its own fingerprint or the Hub's commit; of a mirrored one the rest is the upstream's."""
    mark = hub.context.store.resolve(PUBLIC).fingerprint
    for revision in ("main", mark, mark[:40]):
        assert hub.get(f"/api/models/{BASE}/revision/{revision}").json()["sha"] == mark[:40]
    files = [row["rfilename"] for row in hub.get(f"/api/models/{BASE}").json()["siblings"]]
    assert files == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    for revision in ("main", MIRRORED, mark):
        assert hub.get(f"/api/models/{MIRROR}/revision/{revision}").json()["sha"] == MIRRORED
    upstream.asked.clear()
    assert hub.get(f"/api/models/{MIRROR}/revision/v1").status_code == 404
    assert hub.get(f"/api/models/{BASE}/revision/v1").headers["x-error-code"] == "RevisionNotFound"
    assert upstream.paths() == [f"GET /api/models/{MIRROR}/revision/v1"]


def test_what_is_not_known_here_is_the_upstreams_without_our_token(hub: Served, upstream: Upstream) -> None:
    """Metadata is passed on, files are redirected to, and nothing that the caller sent as his own goes there."""
    upstream.asked.clear()
    told = hub.get("/api/models/others/model?blobs=true", "read", headers={"Cookie": "driftune_token=x"})
    assert told.json()["sha"] == COMMIT
    head = hub.get("/others/old/resolve/main/model.safetensors", "read", "HEAD")
    assert (head.status_code, head.headers["x-repo-commit"]) == (200, COMMIT)
    assert head.headers["x-linked-size"] == str(len(FILES["model.safetensors"]))
    got = hub.get("/others/model/resolve/main/model.safetensors?download=true", "read")
    assert got.status_code == 307
    assert got.headers["location"] == f"{upstream.url}/others/model/resolve/main/model.safetensors?download=true"
    listed = hub.get("/api/models/others/model/tree/main", "read")
    assert listed.links["next"]["url"].startswith(hub.address)
    assert hub.get("/api/models/others/none", "read").headers["x-error-code"] == "RepoNotFound"
    paths = hub.get("/api/models/others/model/paths-info/main", "read", "POST", data={"paths": ["config.json"]})
    assert paths.status_code == 200
    assert "POST /api/models/others/model/paths-info/main" in upstream.paths()
    for _, path, headers in upstream.asked:
        assert not {"authorization", "cookie"} & set(headers), path
        assert not [value for value in headers.values() if hub.secrets["read"] in value]
