"""What moves: lines that follow stable, shares of those who follow a channel, and versions that are yanked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from registry.channels import Channels
from registry.collecting import collect
from registry.errors import ConfigurationError
from registry.objects import FolderObjects
from registry.store import Store
from tests.registry.test_store import adapter_folder, publication


def published(store: Store, tmp_path: Path, speaks: str, *, channel: str | None = "stable") -> int:
    """Publishes an adapter that speaks a version of the library, and gives its number."""
    number = len(store.versions("networkx")) + 1
    major, minor = speaks.split(".")
    about = dataclasses.replace(
        publication(f"run-{number}"), library_range=f"networkx>={speaks},<{major}.{int(minor) + 1}"
    )
    return store.publish(adapter_folder(tmp_path / f"a{number}", bytes([number])), about, channel=channel).version


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "registry")


def test_lines_follow_stable(store: Store, tmp_path: Path) -> None:
    """Each minor version of the library has a line, and each major one, which goes to no older minor version."""
    for speaks in ("2.8", "3.5", "3.6", "3.5"):
        published(store, tmp_path, speaks)
    assert store.channels("networkx") == {"2.8.x": 1, "2.x": 1, "3.5.x": 4, "3.6.x": 3, "3.x": 3, "stable": 4}
    store.promote("networkx", 3, "candidate")
    published(store, tmp_path, "3.7", channel="candidate")
    assert "3.7.x" not in store.channels("networkx"), "only stable has lines"


def test_lines_go_back_with_stable(store: Store, tmp_path: Path) -> None:
    """Where a line gives what stable leaves; one that gave nothing else before stays."""
    for speaks in ("3.6", "3.6", "3.7"):
        published(store, tmp_path, speaks)
    store.rollback("networkx", "stable", reason="worse", by="ann")
    assert store.channels("networkx") == {"3.6.x": 2, "3.7.x": 3, "3.x": 2, "stable": 2}
    store.rollback("networkx", "stable")
    assert store.channels("networkx") == {"3.6.x": 1, "3.7.x": 3, "3.x": 1, "stable": 1}
    assert (store.history("networkx", "3.x")[-2].reason, store.history("networkx", "3.x")[-2].by) == ("worse", "ann")


def test_a_kill_between_line_and_stable_is_healed(store: Store, tmp_path: Path) -> None:
    """Lines move first: as long as stable hasn't, the same command does the rest."""
    published(store, tmp_path, "3.6")
    number = published(store, tmp_path, "3.7", channel=None)
    store.promote("networkx", number, "3.7.x")
    store.promote("networkx", number, "stable")
    assert store.channels("networkx") == {"3.6.x": 1, "3.7.x": 2, "3.x": 2, "stable": 2}
    assert len(store.history("networkx", "3.7.x")) == 1


def test_a_merged_adapter_has_no_line(store: Store, tmp_path: Path) -> None:
    """It speaks several libraries, each of its own version."""
    about = dataclasses.replace(publication(), library_range="networkx>=3.6,<3.7; polars>=2.1,<2.2")
    store.publish(adapter_folder(tmp_path / "a"), about)
    assert store.channels("networkx") == {"stable": 1}


def test_a_share_gets_the_new_version_and_keeps_it(store: Store, tmp_path: Path) -> None:
    """Of 1,000 who follow about a tenth, then half, then all; nobody goes back; the anonymous come last."""
    published(store, tmp_path, "3.6")
    number = published(store, tmp_path, "3.6", channel=None)
    people = [f"team-{n}" for n in range(1000)]
    had: set[str] = set()
    for share, low, high in ((0.1, 70, 130), (0.5, 450, 550), (1.0, 1000, 1000)):
        store.promote("networkx", number, "stable", share=share, by="ann")
        has = {who for who in people if store.resolve("networkx", who=who).version == number}
        assert low <= len(has) <= high
        assert had <= has
        had = has
        assert store.resolve("networkx").version == (number if share == 1 else 1)
    assert [move.share for move in store.history("networkx", "stable")] == [1.0, 0.1, 0.5, 1.0]
    assert len(store.history("networkx", "3.6.x")) == 2, "lines wait until it is for all"


def test_another_version_goes_to_other_people_first(store: Store, tmp_path: Path) -> None:
    """Not always the same ones have what is new."""
    published(store, tmp_path, "3.6")
    first = []
    for _ in range(2):
        number = published(store, tmp_path, "3.6", channel=None)
        store.promote("networkx", number, "stable", share=0.3)
        first.append({n for n in range(300) if store.resolve("networkx", who=str(n)).version == number})
        store.promote("networkx", number, "stable")
    assert first[0] != first[1]


def test_a_rollback_takes_a_share_back(store: Store, tmp_path: Path) -> None:
    """Everybody has what the others had."""
    published(store, tmp_path, "3.6")
    number = published(store, tmp_path, "3.6", channel=None)
    store.promote("networkx", number, "stable", share=0.999)
    assert store.resolve("networkx", who="a").version == 2
    store.rollback("networkx", "stable")
    assert store.resolve("networkx", who="a").version == 1


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(store: Store, tmp_path: Path, share: float) -> None:
    """And where a channel gives nothing yet there is nothing that others could stay at."""
    number = published(store, tmp_path, "3.6")
    with pytest.raises(ConfigurationError, match="No share can be"):
        store.promote("networkx", number, "stable", share=share)
    with pytest.raises(ConfigurationError, match="gives nothing that the others could stay at"):
        store.promote("networkx", number, "canary", share=0.5)


def test_a_yanked_version_is_given_by_no_channel(store: Store, tmp_path: Path) -> None:
    """Each gives what it gave before, until the yank is taken back; whoever names the version says that he knows."""
    for _ in range(2):
        published(store, tmp_path, "3.6")
    said = store.yank("networkx@v2", "it leaks a key", "ann")
    assert (said.version, said.reason, said.by) == (2, "it leaks a key", "ann")
    assert store.channels("networkx") == {"3.6.x": 1, "3.x": 1, "stable": 1}
    assert store.resolve("networkx").version == 1
    for ask in (
        lambda: store.resolve("networkx@v2"),
        lambda: store.pull("networkx@v2", tmp_path / "into"),
        lambda: store.promote("networkx", 2, "candidate"),
        lambda: store.publish(tmp_path / "a2", publication("run-2"), channel="candidate"),
    ):
        with pytest.raises(ConfigurationError, match=r"v2 is yanked since .* by ann: it leaks a key\. Take another"):
            ask()
    assert store.pull("networkx@v2", tmp_path / "into", yanked=True).adapter.version == 2
    assert [a.version for a in store.versions("networkx")] == [1, 2]
    assert store.verify("networkx@v2").version == 2
    store.unyank("networkx@v2", "it was another one")
    assert store.resolve("networkx").version == 2
    assert [(each.version, each.action) for each in store.standing("networkx")] == [(2, "yank"), (2, "unyank")]


def test_a_rollback_goes_to_no_yanked_version(store: Store, tmp_path: Path) -> None:
    """It goes to the one before, and what is yanked on top of a channel isn't what it goes back from."""
    for _ in range(4):
        published(store, tmp_path, "3.6")
    store.yank("networkx@v2", "bad")
    store.yank("networkx@v4", "bad")
    assert store.rollback("networkx", "stable").version == 1
    assert store.resolve("networkx").version == 1
    with pytest.raises(ConfigurationError, match="has held nothing before"):
        store.rollback("networkx", "stable")


def test_where_all_is_yanked_a_channel_gives_nothing(store: Store, tmp_path: Path) -> None:
    """Nobody gets by a name what nobody should have."""
    published(store, tmp_path, "3.6")
    store.yank("networkx@v1", "bad")
    assert store.channels("networkx") == {}
    with pytest.raises(ConfigurationError, match="networkx has v1; channels: none"):
        store.resolve("networkx")


def test_the_end_of_life_is_told_and_takes_nothing_away(store: Store, tmp_path: Path) -> None:
    """Of a version or of a domain; it can be taken back; said twice it stands there once."""
    published(store, tmp_path, "3.6")
    store.end_of_life("networkx@v1", "use v2")
    for _ in range(2):
        store.end_of_life("networkx", "nobody trains it any more", "ann")
    assert {number: said.reason for number, said in store.ended("networkx").items()} == {
        1: "use v2", 0: "nobody trains it any more",
    }  # fmt: skip
    assert store.resolve("networkx").version == 1
    store.end_of_life("networkx", "somebody does", revive=True)
    assert list(store.ended("networkx")) == [1]
    assert len(store.standing("networkx")) == 3


@pytest.mark.parametrize(
    ("ref", "reason", "told"),
    [
        ("networkx@v9", "bad", "No adapter 'networkx@v9'"),
        ("networkx@stable", "bad", "Name the version by its number"),
        ("networkx", "bad", "Name the version by its number"),
        ("networkx@v1", " ", "Say why"),
    ],
)
def test_a_yank_names_a_version_and_says_why(store: Store, tmp_path: Path, ref: str, reason: str, told: str) -> None:
    """What a channel gives may be another version in a moment."""
    published(store, tmp_path, "3.6")
    with pytest.raises(ConfigurationError, match=told):
        store.yank(ref, reason)
    assert store.standing("networkx") == []


def test_an_unknown_domain_has_no_end_of_life(store: Store) -> None:
    """Nothing is written for a name that nobody published under."""
    with pytest.raises(ConfigurationError, match="No adapter 'polars'"):
        store.end_of_life("polars", "why not")
    assert store.domains() == []


def test_the_others_of_a_share_always_have_something_to_stay_at(store: Store, tmp_path: Path) -> None:
    """A version that all have isn't taken from most of them by promoting it for some."""
    published(store, tmp_path, "3.6")
    with pytest.raises(ConfigurationError, match="nothing that the others could stay at"):
        store.promote("networkx", 1, "stable", share=0.1)
    assert store.given("networkx", "stable") == 1


def test_a_rollback_leaves_the_version_though_what_stood_between_is_yanked(store: Store, tmp_path: Path) -> None:
    """v1, v2, and v1 again is v1 alone once v2 is yanked."""
    published(store, tmp_path, "3.6")
    published(store, tmp_path, "3.6")
    store.promote("networkx", 1, "stable")
    store.yank("networkx@v2", "wrong")
    assert store.channels("networkx")["stable"] == 1
    with pytest.raises(ConfigurationError, match="has held nothing before"):
        store.rollback("networkx", "stable")


def test_what_left_by_retention_stops_no_publisher(store: Store, tmp_path: Path) -> None:
    """What a channel would go back to stays; where that is yanked too, the next version is published all the same."""
    for _ in range(3):
        published(store, tmp_path, "3.6")
    store.objects.put("registry.json", b'{"retention": {"keep": 1, "days": 0}}')
    gone = list(collect(store.objects))
    assert [each.what.partition(",")[0] for each in gone] == ["networkx@v1"]
    store = Store(store.url)
    store.yank("networkx@v3", "wrong")
    assert store.resolve("networkx").version == 2
    store.yank("networkx@v2", "wrong too")
    with pytest.raises(ConfigurationError, match="No adapter"):
        store.resolve("networkx")
    store.publish(adapter_folder(tmp_path / "mended", b"mended"), publication("run-4"))
    assert store.resolve("networkx").version == 4


def test_channels_that_there_are_not_are_not_kept(tmp_path: Path) -> None:
    """Who asks a server for one name after another doesn't fill its memory."""
    channels = Channels(FolderObjects(tmp_path), "networkx")
    assert not any(channels.history(f"c{number}") for number in range(10))
    assert channels._logs == {}
