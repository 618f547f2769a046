"""`driftune registry`: what is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from registry.records import Adapter
from registry.settings import Settings
from registry.store import CARD, Store


def _row(store: Store, adapter: Adapter) -> dict[str, Any]:
    channels = [name for name, number in store.channels(adapter.domain).items() if number == adapter.version]
    return {
        "domain": adapter.domain,
        "version": adapter.version,
        "channels": channels,
        "library": adapter.library_range,
        "base": adapter.base,
        "id": adapter.id,
        "folder": str(store.folder(adapter)),
    }


def list_adapters(*, as_json: bool) -> None:
    """Prints every published version, and which channels stand on it."""
    store = Store(Settings().registry_path)
    rows = [_row(store, adapter) for domain in store.domains() for adapter in store.versions(domain)]
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print(f"No adapter in {store.root} yet. Make one with: driftune run networkx")
        return
    table = Table("domain", "version", "channels", "library", "base")
    for row in rows:
        channels = ", ".join(row["channels"])
        table.add_row(row["domain"], f"v{row['version']}", channels, row["library"], row["base"])
    Console().print(table)


def show_adapter(reference: str, *, as_json: bool) -> None:
    """Prints one version: its manifest for a program, its card for a person."""
    store = Store(Settings().registry_path)
    adapter = store.resolve(reference)
    if as_json:
        print(json.dumps(_row(store, adapter) | {"files": adapter.files, "report": adapter.report}))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    row = _row(store, adapter)
    text = (Path(row["folder"]) / CARD).read_text(encoding="utf-8")
    Console().print(Markdown(text.split("---\n", 2)[-1] if text.startswith("---\n") else text))
    print(f"Files: {row['folder']}")


def pull_adapter(reference: str, into: Path) -> None:
    """Copies a version into a folder, and says what it did."""
    pulled = Store(Settings().registry_path).pull(reference, into)
    what = "Pulled" if pulled.changed else "Already there:"
    print(f"{what} {pulled.adapter.domain} v{pulled.adapter.version} -> {pulled.path}")
