"""A copy of a registry, made beside publishers: what names comes before what is named, so that it is there too.

The copy is a registry. As nothing in it ever changes, the next copy into the same folder takes only what is new.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from registry.census import SETTINGS, domains_in
from registry.errors import ConfigurationError
from registry.objects import FolderObjects, Objects
from registry.turns import publishing
from registry.versions import CONTENT, Versions


def copy(objects: Objects, folder: Path) -> Iterator[str]:
    """Copy what isn't there yet, and tell the path of each object once it is.

    Args:
        objects: The registry's.
        folder: Where to; made if it isn't there.

    Raises:
        ConfigurationError: The folder can't be written, or lies in the registry.
        RegistryError: A domain lies there as an earlier driftune put it.
    """
    target = FolderObjects(folder)
    if isinstance(objects, FolderObjects) and folder.resolve().is_relative_to(objects.root.resolve()):
        raise ConfigurationError(f"A copy of {objects.url} can't lie in it: choose another folder than {folder}")
    for domain in domains_in(objects):
        Versions(objects).numbers(domain)  # refuses what an earlier driftune made, which would be copied in part
    with publishing(objects):  # nothing is removed meanwhile
        if objects.stat(SETTINGS) is not None:
            target.put(SETTINGS, objects.read(SETTINGS))
        for path in _in_order(objects):
            if target.stat(path) is None:
                _take(objects, path, target)
                yield path


def _in_order(objects: Objects) -> Iterator[str]:
    for domain in domains_in(objects):
        for channel in objects.names(f"{domain}/channels"):
            yield from _entries(objects, f"{domain}/channels/{channel}")
        yield from _entries(objects, f"{domain}/standing")
    for part in ("versions", "signatures"):
        for domain in domains_in(objects):
            yield from (stored.path for stored in objects.walk(f"{domain}/{part}"))
    yield from (stored.path for stored in objects.walk(CONTENT))


def _entries(objects: Objects, log: str) -> Iterator[str]:
    """A log's entries up to the first that isn't listed, as one may be written while a folder is listed."""
    for number, name in enumerate(objects.names(log), 1):
        if name != f"{number:08d}.json":
            return
        yield f"{log}/{name}"


def _take(objects: Objects, path: str, target: FolderObjects) -> None:
    local = objects.local(path)
    if local is not None:
        target.put(path, local)
        return
    with tempfile.NamedTemporaryFile() as held:
        with objects.open(path) as source:
            shutil.copyfileobj(source, held, 1 << 20)
        held.flush()
        target.put(path, Path(held.name))
