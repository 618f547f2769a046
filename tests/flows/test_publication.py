"""Publishing: `stable` moves to what loads as it was stored, and licence files travel with it."""

from __future__ import annotations

import dataclasses
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from finetune import quiet, tuning
from finetune.bases import BaseModel, TinyBase
from finetune.checkpoints import save
from finetune.recipe import LoraSettings
from flows.house import House, open_house
from flows.preflight import check
from flows.publication import BESIDE, canary_texts, licence_files, notices, published, written_by
from flows.scraping import scrape_key
from registry.canary import stored_canary
from registry.card import card
from registry.errors import ConfigurationError, WrongBaseError
from registry.identity import sha256_of_file
from registry.records import Adapter, Example, Release
from registry.settings import Settings
from registry.store import STABLE, Publication, Store
from tests.finetune.lib_drift import OLD, TINY, sites
from tests.scrapers import conftest

serve = conftest.serve
TEXTS = [text.splitlines()[1] for text in OLD[:3]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[BaseModel, Path]:
    """A base, as little trained as can be, and an adapter for it."""
    root = tmp_path_factory.mktemp("published")
    base = TinyBase(OLD).prepare(OLD, {**TINY, "steps": 1}, root / "bases")
    with quiet.logging_off():
        model, _ = tuning.with_new(base, LoraSettings(rank=2, alpha=4), 0)
    save(model, base, root / "adapter")
    return base, root / "adapter"


def about(base: BaseModel, run: str = "one") -> Publication:
    return Publication(
        domain="lib", library_range="lib>=2,<3", base=base.name, base_revision=base.revision,
        fingerprint=base.fingerprint, snapshot="s", run=run, licences=("MIT",),
    )  # fmt: skip


def test_stable_moves_only_to_what_loads(made: tuple[BaseModel, Path], tmp_path: Path) -> None:
    """A version for another base, or one that doesn't give what is stored with it, is never what subscribers get."""
    (base, adapter), store = made, Store(tmp_path)
    asked: list[int] = []  # versions that were there when it was asked whether this may be published
    first = published(store, adapter, base, about(base), TEXTS, fence=lambda: asked.append(len(store.versions("lib"))))
    assert asked == [0, 1]
    assert store.channels("lib") == {"stable": first.version}
    assert [row["text"] for row in stored_canary(store.folder(first))] == TEXTS
    with pytest.raises(WrongBaseError, match="with fingerprint ffff"):
        published(store, adapter, base, dataclasses.replace(about(base, "two"), fingerprint="f" * 64), TEXTS)
    wrong = {"text": "a b c", "ids": [1, 2, 3], "logprob": 9.0}
    store.publish(adapter, dataclasses.replace(about(base, "three"), canary=(wrong,)), channel=None)
    with pytest.raises(WrongBaseError, match=r"nats a token where 9\.0000 were stored"):
        published(store, adapter, base, about(base, "three"), TEXTS)
    assert store.channels("lib") == {"stable": first.version}
    assert [a.version for a in store.versions("lib")] == [1, 2, 3]


def test_what_was_rolled_back_from_stays_so(made: tuple[BaseModel, Path], tmp_path: Path) -> None:
    """Publishing what is published, as after an update, moves `stable` to it only where it never was there."""
    (base, adapter), store = made, Store(tmp_path)
    for run in ("one", "two"):
        published(store, adapter, base, about(base, run), TEXTS)
    store.rollback("lib", STABLE)
    assert published(store, adapter, base, about(base, "two"), TEXTS).version == 2
    assert store.channels("lib") == {"stable": 1}


def test_what_was_damaged_is_mended_by_publishing_again(made: tuple[BaseModel, Path], tmp_path: Path) -> None:
    """A version of which bytes are missing, as it was damaged before `stable` moved, gets them back."""
    (base, adapter), store = made, Store(tmp_path)
    first = store.publish(adapter, about(base), channel=None)
    weights = store.file(first, "adapter_model.safetensors")
    weights.chmod(0o600)
    weights.write_bytes(weights.read_bytes()[:-4])
    assert [published(store, adapter, base, about(base), TEXTS).version for _ in range(2)] == [1, 1]
    assert store.channels("lib") == {"stable": 1}


def test_nothing_is_published_without_a_canary(made: tuple[BaseModel, Path], tmp_path: Path) -> None:
    """Where no text has two tokens, a wrong loading couldn't be told: refused, and nothing is written."""
    (base, adapter), store = made, Store(tmp_path)
    for texts in ([], ["", "a"]):
        with pytest.raises(ConfigurationError, match=r"Can.t publish lib: .* canary"):
            published(store, adapter, base, about(base), texts)
    assert store.versions("lib") == []


def test_a_name_keeps_its_kind(made: tuple[BaseModel, Path], tmp_path: Path) -> None:
    """Who follows a domain gets no merged adapter, who follows a merged one none of a domain; nothing is written."""
    (base, adapter), store = made, Store(tmp_path)
    merged = dataclasses.replace(about(base, "two"), library_range=BESIDE.join(["lib>=2,<3", "other>=1,<2"]))
    for first, second in ((about(base), merged), (merged, about(base))):
        name = f"of-{first.run}"
        store.publish(adapter, dataclasses.replace(first, domain=name))
        with pytest.raises(ConfigurationError, match=f"Can't publish as '{name}': {name} v1 in .* the other kind"):
            published(store, adapter, base, dataclasses.replace(second, domain=name), TEXTS)
        assert [a.version for a in store.versions(name)] == [1]
        assert published(store, adapter, base, dataclasses.replace(first, domain=name, run="3"), TEXTS).version == 2


def test_the_card_says_which_models_wrote_rows() -> None:
    """Of rows that LLMs wrote the card says how many were trained on, and their terms; what is gone on from counts."""
    row = Example(domain="d", kind="task", releases=("r",), parts={}, file="f", root="r", generator="task",
                  generator_version="1")  # fmt: skip
    rows = [dataclasses.replace(row, written={"model": "m", "trainable": True, "calls": []})] * 2 + [row]
    none = Adapter(domain="d", version=1, files=(), library_range="lib", base="b", base_revision="r", fingerprint="f",
                   snapshot="s", run="r")  # fmt: skip
    before = dataclasses.replace(none, written=({"model": "m", "rows": 3, "trainable": True},))
    wrote = written_by(rows, [before])
    assert wrote == ({"model": "m", "rows": 5, "trainable": True},)
    told = card(dataclasses.replace(none, written=wrote))
    assert "| Rows by m | 5 of its training rows; its terms allow training on what it says |" in told
    assert "Rows by" not in card(none)


def test_canary_texts_are_drawn() -> None:
    """Not the first ones, which begin alike; the same ones whatever the rows' order; and all where there are few."""
    rows = sites(8, 4)
    prompts = sorted({str(row.parts["prompt"]) for row in rows})
    drawn = canary_texts(rows, 8)
    assert drawn == canary_texts(list(reversed(rows)), 8)
    assert len(set(drawn)) == 8
    assert set(drawn) < set(prompts)
    assert set(drawn) != set(prompts[:8])
    assert sorted(canary_texts(rows, 100)) == prompts


def wheel(path: Path, name: str, metadata: str, files: Mapping[str, str]) -> Path:
    """A wheel whose metadata folder has these files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lib/LICENSE_of_a_module.py", "code")
        archive.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.4\nName: lib\n{metadata}\nText")
        archive.writestr(f"{name}.dist-info/RECORD", "")
        for file, text in files.items():
            archive.writestr(f"{name}.dist-info/{file}", text)
    return path


def test_every_licence_file_travels(tmp_path: Path) -> None:
    """Those in the folder of PEP 639, whatever they are called; those that METADATA lists; those that are called so."""
    new = {
        "licenses/LICENSE": "own",
        "licenses/LICENSES/NUMPY_LICENSE": "numpy's",
        "licenses/vendored/one/LICENSE": "one's",
        "licenses/vendored/two/LICENSE": "two's",
    }
    found = licence_files(wheel(tmp_path / "new.whl", "lib-2", "License-File: LICENSE\n", new), "notices-lib-2")
    assert found == {f"notices-lib-2-{name.replace('/', '--')}": text for name, text in new.items()}
    old = {"AUTHORS.rst": "authors", "copying": "copying", "NOTICE.txt": "notice", "top_level.txt": "lib"}
    found = licence_files(wheel(tmp_path / "old.whl", "lib-1", "License-File: docs/AUTHORS.rst\n", old), "n")
    assert sorted(found) == ["n-AUTHORS.rst", "n-NOTICE.txt", "n-copying"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A domain with two releases, each of a wheel and an sdist."""
    (tmp_path / "lib.toml").write_text('[[library]]\nname = "lib"\nversions = ["1", "2"]\n')
    with closing(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home"))) as opened:
        for version in ("1", "2"):
            name = f"lib-{version}-py3-none-any.whl"
            made = wheel(tmp_path / "made" / name, f"lib-{version}", "", {"LICENSE": f"of {version}"})
            files = [{"name": name, "sha256": sha256_of_file(made), "kind": "wheel"}]
            files.append({"name": f"lib-{version}.tar.gz", "sha256": "", "kind": "sdist"})
            release = Release(library="lib", version=version, artifact_sha256=version, licence="MIT", artifacts=files)
            key = scrape_key(opened, opened.library.source[0], version)
            opened.finish("scrape", "pypi@1", [key], [release], time.monotonic())
        yield opened


def test_a_missing_wheel_is_fetched_again(
    house: House, tmp_path: Path, serve: Callable[[Path], conftest.Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Downloads are a cache: on another machine they are elsewhere. Another file of that name isn't what was read."""
    made = sorted((tmp_path / "made").iterdir())
    conftest.write_index(tmp_path / "index", "lib", {file: sha256_of_file(file) for file in made})
    served = serve(tmp_path / "index")
    monkeypatch.setenv("PIP_INDEX_URL", f"{served.url}/simple/")
    told = {"notices-lib-1-LICENSE": "of 1", "notices-lib-2-LICENSE": "of 2"}
    assert notices(house) == told
    asked = len(served.asked)
    assert notices(house) == told
    assert len(served.asked) == asked, "what is there isn't asked for"
    folder = house.folder("packages") / "pypi" / "lib"
    (folder / made[1].name).unlink()
    listing = tmp_path / "index" / "simple" / "lib" / "index.html"
    listing.write_text(listing.read_text().replace(sha256_of_file(made[1]), "0" * 64))
    del house.index  # a run asks the index but once
    with pytest.raises(ConfigurationError, match=rf"No {made[1].name} in .*pypi/lib, .* nor on the package index"):
        notices(house)


def test_a_name_of_another_kind_is_told_before_the_run(made: tuple[BaseModel, Path], house: House) -> None:
    """What would be refused when it is published isn't trained first."""
    base, adapter = made
    check(house, ["publish"])
    merged = dataclasses.replace(about(base), library_range=BESIDE.join(["lib>=2,<3", "other>=1,<2"]))
    Store(house.settings.registry_url).publish(adapter, merged)
    with pytest.raises(ConfigurationError, match="Can't publish as 'lib'"):
        check(house, ["publish"])
