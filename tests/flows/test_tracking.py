"""A domain that tracks its library goes from release to release: when, to which, and what a killed run goes on with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.batches import perform
from flows.doctor import domains_here
from flows.events import Event, listening
from flows.house import House, open_house
from flows.init import init_domain
from flows.run import show_plan
from flows.scheduled import look_scheduled
from flows.stages import STAGES
from flows.status import read_status
from flows.tracking import end, last_cost, remember, told_cost
from registry.domain_files import load_domain
from registry.errors import ConfigurationError, SourceError
from registry.lake import Lake
from registry.settings import Settings
from tests.flows.runs import driftune, kill_when, start
from tests.indexed import OwnIndex, own_index

DOMAIN = """\
[[library]]
name = "lib"
{settings}

[[library.source]]
index = "{url}"

[guard]
removals = 1.0
"""


def modules(version: str) -> dict[str, str]:
    """A library of one module, with enough text for a library."""
    return {
        "lib.py": f'"""Adds, as of {version}. {"It does so slowly. " * 20}"""\n\ndef add(a, b):\n    return a + b\n'
    }


@pytest.fixture
def index(tmp_path: Path) -> Iterator[OwnIndex]:
    """An index of `lib` that more can be added to."""
    made = tmp_path / "made"
    made.mkdir()
    with own_index(made) as served:
        yield served


class Followed:
    """A domain that tracks `lib` on an index of its own, with a home."""

    def __init__(self, index: OwnIndex, folder: Path, settings: str = 'track = "latest"') -> None:
        self.index, self.settings = index, Settings(home=folder / "home")
        self.file = folder / "lib.toml"
        self.set(settings)

    def set(self, settings: str) -> None:
        self.file.write_text(DOMAIN.format(settings=settings, url=self.index.url))

    def offer(self, *versions: str, **listed: object) -> None:
        for version in versions:
            self.index.add("lib", version, modules(version), **listed)

    def open(self, *, moving: bool = True) -> House:
        return open_house(str(self.file), settings=self.settings, moving=moving)

    def pair(self, *, moving: bool = True) -> tuple[str, str]:
        return self.open(moving=moving).library.versions

    def begin(self) -> House:
        """What a run does before anything else, and what it reads."""
        house = self.open()
        remember(house)
        perform(STAGES["scrape"], house)
        return house

    def run(self) -> tuple[str, str]:
        """What a run does first and last."""
        house = self.open()
        remember(house)
        end(house)
        return house.library.versions


@pytest.fixture
def followed(index: OwnIndex, tmp_path: Path) -> Followed:
    """A domain that tracks `lib`, of which there are 1.0, 1.1, 1.1.1 and 1.2."""
    made = Followed(index, tmp_path)
    made.offer("1.0", "1.1", "1.1.1", "1.2")
    return made


def test_the_first_pair_is_of_the_two_newest_lines(followed: Followed) -> None:
    """Of a library that nothing is known of: its newest release, and the newest of the line before."""
    assert followed.pair() == ("1.1.1", "1.2")
    followed.set('track = "latest"\nsince = "1.0.0"')
    assert followed.pair() == ("1.0.0", "1.2")


def test_the_watch_tells_of_a_release_until_a_run_went_to_it(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked for each hour is told as often as it is found, and no more once a run is at it."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(followed.settings.home))
    heard: list[Event] = []
    with listening(heard.append):
        look_scheduled(str(followed.file))
        followed.run()
        assert look_scheduled(str(followed.file)) == "1.1.1 -> 1.2"
        followed.offer("1.3")
        assert "1.2 -> 1.3 (found now; so far 1.1.1 -> 1.2); told" in look_scheduled(str(followed.file))
        assert followed.pair(moving=False) == ("1.1.1", "1.2"), "looking moves nothing"
    assert [(event.kind, event.facts["new"]) for event in heard] == [
        ("driftune.release.new", "1.2"),
        ("driftune.release.new", "1.3"),
    ]


def test_new_releases_move_the_pair_on(followed: Followed) -> None:
    """N+1 makes it (N, N+1), two at once (N, N+2); what nobody has run stays with what the lake knows."""
    assert followed.run() == ("1.1.1", "1.2")
    followed.offer("1.3")
    assert followed.pair(moving=False) == ("1.1.1", "1.2")
    assert followed.run() == ("1.2", "1.3")
    followed.offer("1.3.1", "1.4")
    assert followed.run() == ("1.3", "1.4")
    assert followed.run() == ("1.3", "1.4")


def test_what_must_not_be_taken_is_not(followed: Followed) -> None:
    """Pre-releases, yanked releases, and those for another Python, or without a wheel for this one, don't count."""
    followed.run()
    followed.offer("2.0rc1", "2.0.dev1")
    followed.offer("1.3", yanked="It deletes files")
    followed.offer("1.4", requires_python=">=3.99")
    followed.index.files["lib"]["lib-1.5.tar.gz"] = {"filename": "lib-1.5.tar.gz", "url": "/files/x", "hashes": {}}
    assert followed.pair() == ("1.1.1", "1.2")
    followed.set('track = "latest"\nprereleases = true')
    assert followed.pair() == ("1.2", "2.0rc1")


def test_keep_says_how_far_the_pair_reaches(followed: Followed) -> None:
    """With keep = 3 the old release is the one before the last; until there is one, the first."""
    followed.set('track = "latest"\nkeep = 3')
    pairs = [followed.run()]
    for version in ("1.3", "1.4", "1.5"):
        followed.offer(version)
        pairs.append(followed.run())
    assert pairs == [("1.1.1", "1.2"), ("1.1.1", "1.3"), ("1.2", "1.4"), ("1.3", "1.5")]


def test_of_lines_a_patch_takes_the_place_of_its_release(followed: Followed) -> None:
    """With track = "lines", 1.2.1 follows 1.2 against the same old release, and 1.3 begins the next pair."""
    followed.set('track = "lines"')
    pairs = [followed.run()]
    for version in ("1.2.1", "1.3"):
        followed.offer(version)
        pairs.append(followed.run())
    assert pairs == [("1.1.1", "1.2"), ("1.1.1", "1.2.1"), ("1.2.1", "1.3")]


def test_a_run_that_was_begun_is_ended_with_its_pair(followed: Followed) -> None:
    """Killed after it had read its releases, it goes on with these though there are newer ones; then those come."""
    followed.run()
    followed.offer("1.3")
    followed.begin()
    followed.offer("1.4")
    house = followed.open()
    assert house.library.versions == ("1.2", "1.3")
    assert house.tracked is not None
    assert "begun before" in house.tracked.line()
    assert followed.run() == ("1.2", "1.3")
    assert followed.run() == ("1.3", "1.4")


def test_a_begun_pair_whose_release_was_yanked_gives_way_to_a_newer_one(followed: Followed) -> None:
    """A run over a broken release may never end: once that is yanked, the next one counts; until it is there, none."""
    followed.run()
    followed.offer("1.3")
    followed.begin()
    followed.offer("1.3", yanked="Broken")
    assert followed.pair() == ("1.2", "1.3")
    followed.offer("1.4")
    followed.index.down = True
    assert followed.pair() == ("1.2", "1.3")
    followed.index.down = False
    assert followed.run() == ("1.2", "1.4")


def test_a_pair_that_nothing_was_made_of_gives_way(followed: Followed) -> None:
    """Killed before it had read anything, or stopped by the guard there, a newer release takes the place of the new."""
    followed.run()
    followed.offer("1.3")
    remember(followed.open())
    followed.offer("1.4")
    assert followed.run() == ("1.2", "1.4")


@pytest.mark.parametrize("since", ["", '\nsince = "1.0"'])
def test_of_lines_a_patch_that_nothing_was_made_of_takes_nothing_away(followed: Followed, since: str) -> None:
    """Killed before it had read anything of 1.2.1, the next line follows what the last run ended with: 1.2."""
    followed.set(f'track = "lines"{since}')
    followed.run()
    followed.offer("1.2.1")
    remember(followed.open())
    followed.offer("1.3")
    assert followed.run() == ("1.2", "1.3")


@pytest.mark.slow
def test_a_killed_process_leaves_a_pair_that_the_next_one_takes_or_passes(followed: Followed) -> None:
    """SIGKILL while the new release is downloaded: the same command takes it up, or a newer one that came meanwhile."""
    home = followed.settings.root
    end(followed.begin())
    for version, meanwhile, pair in (("1.3", "", "1.2 -> 1.3"), ("1.4", "1.5", "1.3 -> 1.5")):
        followed.offer(version)
        moves = len(list((home / "lake" / "work").glob("2*.parquet"))) + 1
        followed.index.held_s = 60
        run = start(home, "scrape", str(followed.file))
        kill_when(run, lambda n=moves: len(list((home / "lake" / "work").glob("2*.parquet"))) == n)
        followed.index.held_s = 0
        if meanwhile:
            followed.offer(meanwhile)
        done = driftune(home, "scrape", str(followed.file))
        assert done.returncode == 0, done.stderr
        assert pair in done.stdout
        end(followed.open())


@pytest.mark.slow
def test_the_order_of_kills_doesn_t_show_in_the_lake(followed: Followed, tmp_path: Path) -> None:
    """A run that was killed between its first write and its end leaves the lake of one that wasn't."""
    end(followed.begin())
    undisturbed = Lake(followed.settings.lake_url, followed.settings.root).fingerprint()
    (tmp_path / "twin").mkdir()
    twin = Followed(followed.index, tmp_path / "twin")
    remember(twin.open())
    twin.begin()
    end(twin.begin())
    assert Lake(twin.settings.lake_url, twin.settings.root).fingerprint() == undisturbed


def test_a_run_that_another_overtook_stops(followed: Followed) -> None:
    """Where the lake's pair isn't the one that a run saw when it looked, it says so instead of turning back."""
    followed.run()
    followed.offer("1.3")
    late = followed.open()
    followed.run()
    with pytest.raises(ConfigurationError, match="Another run has moved lib on"):
        remember(late)


def test_an_index_that_doesn_t_answer_leaves_the_last_pair(followed: Followed) -> None:
    """Offline, the last known pair is used and said so; where none is known, that is the error."""
    followed.index.down = True
    with pytest.raises(SourceError, match="answered 503"):
        followed.open()
    followed.index.down = False
    followed.run()
    followed.offer("1.3")
    followed.index.down = True
    house = followed.open()
    assert house.library.versions == ("1.1.1", "1.2")
    assert house.tracked is not None
    assert "the last known pair, as newer releases can't be looked for" in house.tracked.line()


def test_a_release_that_was_yanked_after_it_came_stays(followed: Followed) -> None:
    """The pair never goes back; it is said that its new release is gone, until a newer one comes."""
    followed.run()
    followed.offer("1.3")
    followed.run()
    followed.offer("1.3", yanked=True)
    house = followed.open()
    assert house.library.versions == ("1.2", "1.3")
    assert house.tracked is not None
    assert "1.3 is no longer offered" in house.tracked.line()
    followed.offer("1.4")
    assert followed.run() == ("1.3", "1.4")


def test_plan_says_where_a_run_would_go_and_writes_nothing(
    followed: Followed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan has the move, what it begins with, and what the last pair took; the lake is as it was."""
    end(followed.begin())
    followed.offer("1.3")
    monkeypatch.setenv("DRIFTUNE_HOME", str(followed.settings.root))
    before = Lake(followed.settings.lake_url, followed.settings.root).fingerprint()
    show_plan(str(followed.file), as_json=False)
    told = capsys.readouterr().out
    assert "lib 1.2 -> 1.3 (found now; so far 1.1.1 -> 1.2)" in told
    assert "The last pair took" in told
    assert "Scrape lib 1.3 (pypi)" in " ".join(told.split())
    assert Lake(followed.settings.lake_url, followed.settings.root).fingerprint() == before
    assert followed.pair(moving=False) == ("1.1.1", "1.2")


def test_status_and_doctor_have_the_pair(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both say the pair and when it was found, and whether its run is done; neither asks the index."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(followed.settings.root))
    (followed.file.parent / "domains").mkdir()
    os.link(followed.file, followed.file.parent / "domains" / "lib.toml")
    monkeypatch.chdir(followed.file.parent)
    followed.begin()
    followed.index.down = True
    assert read_status("lib")[0]["tracked"] == "1.1.1 -> 1.2 (found today), its run isn't done yet"
    end(followed.open())
    assert read_status("lib")[0]["tracked"] == "1.1.1 -> 1.2 (found today)"
    assert [f.found for f in domains_here(followed.settings)] == ["1.1.1 -> 1.2 (found today)"]


def test_what_a_pair_took_is_that_of_the_last_that_is_done(followed: Followed) -> None:
    """The seconds of the works between a move and its end are counted, by stage; none where no run was ended."""
    house = followed.begin()
    assert last_cost(house) == {}
    assert told_cost({}).startswith("What a pair takes isn't known yet")
    end(house)
    assert set(last_cost(house)) == {"scrape"}
    assert told_cost({"train": 150.0, "scrape": 3.0}) == "The last pair took 3 min of work: train 2 min, scrape 3 s"


def test_to_the_stages_it_is_a_domain_whose_versions_were_set(followed: Followed, tmp_path: Path) -> None:
    """At a pair, all that hangs on the domain's text is as if a person had set the versions; pins are those of it."""
    followed.set('track = "latest"\n[library.pins]\n"1.2.0" = ["six==1.17.0"]\n"1.9" = ["six==1.16.0"]')
    found = followed.open()
    given = tmp_path / "given.toml"
    text = followed.file.read_text().replace('track = "latest"', 'versions = ["1.1.1", "1.2"]')
    given.write_text(text.replace('"1.2.0"', '"1.2"').replace('"1.9" = ["six==1.16.0"]\n', ""))
    domain = load_domain(str(given))
    assert found.domain.model_dump() == {**domain.model_dump(), "name": "lib"}
    assert found.library.beside("1.2") == ("six==1.17.0",)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("", 'set either versions = ["OLD", "NEW"] or track = "latest"'),
        ('track = "latest"\nversions = ["1.0", "1.1"]', 'set either versions = ["OLD", "NEW"] or track = "latest"'),
        ('versions = ["1.0", "1.1"]\nsince = "1.0"', "keep, since and prereleases are for track"),
        ('versions = ["1.0", "1.1"]\nkeep = 3', "keep, since and prereleases are for track"),
        ('track = "newest"', "'latest' or 'lines'"),
        ('track = "latest"\nkeep = 1', "greater than or equal to 2"),
        ('track = "latest"\nsince = "new"', "Invalid version: 'new'"),
        ('track = "latest"\n[library.pins]\nnewest = ["six==1.0"]', "Invalid version: 'newest'"),
    ],
)
def test_a_file_that_says_both_or_neither_is_refused(settings: str, says: str, followed: Followed) -> None:
    """Versions are set or tracked; what belongs to the other is named, in one line."""
    followed.set(settings)
    with pytest.raises(ConfigurationError) as error:
        load_domain(str(followed.file))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("since", "offered"), [("2.0", ["1.0", "1.1"]), ("1.1", ["1.0", "1.1"])])
def test_a_beginning_without_a_successor_is_said(
    since: str, offered: list[str], index: OwnIndex, tmp_path: Path
) -> None:
    """There must be a newer release than the first old one."""
    followed = Followed(index, tmp_path, f'track = "latest"\nsince = "{since}"')
    followed.offer(*offered)
    with pytest.raises(ConfigurationError, match=f"has no release after since = '{since}'"):
        followed.open()


def test_one_release_is_no_pair(index: OwnIndex, tmp_path: Path) -> None:
    """A library with one release can't be tracked yet; with two of one line it can."""
    followed = Followed(index, tmp_path)
    followed.offer("1.0")
    with pytest.raises(ConfigurationError, match=r"Two releases of lib .* are needed, found 1\.0 alone"):
        followed.open()
    followed.offer("1.0.1")
    assert followed.pair() == ("1.0", "1.0.1")


def test_init_writes_a_domain_that_tracks(tmp_path: Path) -> None:
    """With --track the file begins with the two newest lines and goes on by itself; its comments are the defaults."""
    path = init_domain("more-itertools", folder=tmp_path, track=True)
    domain = load_domain(str(path))
    assert domain.library[0].track == "latest"
    assert domain.library[0].since
    house = open_house(str(path), settings=Settings(home=tmp_path / "home"))
    assert house.library.versions[0] == domain.library[0].since
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *(line.removeprefix("# ") for line in rest)]))
    assert load_domain(str(path)) == domain
    with pytest.raises(ConfigurationError, match="either --versions or --track"):
        init_domain("networkx", ("2.8.8", "3.6.1"), folder=tmp_path, track=True)
