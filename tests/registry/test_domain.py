"""Domain files: those that are shipped can be read, and what stands beside a library may differ by version."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.domain import LibrarySpec
from registry.domain_files import load_domain, with_table
from registry.errors import ConfigurationError

SHIPPED = sorted(Path(__file__).parents[2].glob("domains/*.toml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_domain_pins_what_stands_beside_the_library(file: Path) -> None:
    """Every domain in `domains/` is valid, and names each package beside its library with a version."""
    (library,) = load_domain(str(file)).library
    for version in library.versions:
        assert all("==" in requirement for requirement in library.beside(version))


def test_pins_stand_beside_one_version_alone() -> None:
    """Requirements are of both versions, pins of the one that they name."""
    library = LibrarySpec(name="lib", versions=("1", "2"), requirements=("a==1",), pins={"2": ("b==2",)})
    assert library.beside("1") == ("a==1",)
    assert library.beside("2") == ("a==1", "b==2")


def test_pins_of_a_version_that_is_not_compared_are_refused(tmp_path: Path) -> None:
    """A pin for another version is a mistake: the versions there are are named."""
    file = tmp_path / "lib.toml"
    file.write_text('[[library]]\nname = "lib"\nversions = ["1", "2"]\npins = { "3" = ["b==2"] }\n')
    with pytest.raises(ConfigurationError, match="'3' is none of the versions 1, 2"):
        load_domain(str(file))


def test_training_on_noise_is_no_setting_of_a_domain(tmp_path: Path) -> None:
    """What trains on shuffled rows is refused in the file and in the environment, and told where it can be had."""
    file = tmp_path / "lib.toml"
    library = '[[library]]\nname = "lib"\nversions = ["1", "2"]\n'
    file.write_text(f"{library}[train]\nshuffle = true\n")
    with pytest.raises(ConfigurationError, match="driftune experiment lib --set shuffle=true"):
        load_domain(str(file), {})
    file.write_text(library)
    with pytest.raises(ConfigurationError, match="must never be published"):
        load_domain(str(file), {"DRIFTUNE_TRAIN__SHUFFLE": "true"})
    assert with_table(load_domain(str(file), {}), "train", {"shuffle": True}).train.shuffle
