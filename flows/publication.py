"""The stage `publish`: an adapter that the gate let through becomes a version, and `stable` moves to it."""

from __future__ import annotations

import dataclasses
import time
import zipfile
from pathlib import Path, PurePosixPath

from packaging.version import Version

from finetune.loading import PLAIN
from flows.batches import Batch
from flows.curation import snapshot_id
from flows.evaluation import decision_of
from flows.house import House
from flows.scraping import releases
from flows.training import rows_of, run_id, tuned_adapter
from registry.client import canary, load_adapter
from registry.identity import work_key
from registry.records import Report
from registry.store import Publication, Store

PUBLISH_PART = "store@1"
CANARIES = 8
"""Texts whose log-probabilities a right loading must reproduce."""
_NOTICE_BYTES = 1 << 20


def publish_key(house: House) -> str:
    """The work key of the publication."""
    return work_key([run_id(house)], PUBLISH_PART, {})


def publish_stage(house: House) -> list[Batch]:
    """One batch where the gate said publish, else none."""
    if decision_of(house)["decision"] != "publish":
        return []
    key = publish_key(house)
    known = house.result(key)
    if known is not None and (house.settings.registry_path / str(known["location"])).is_dir():
        return []

    def run() -> int:
        since = time.monotonic()
        base, folder = tuned_adapter(house)
        _, new = releases(house)
        version = Version(new.version)
        texts = sorted({str(e.parts["prompt"]) for e in rows_of(house, "train") if e.kind == "preference"})
        from finetune import tuning

        exact = dataclasses.replace(base, loading=PLAIN)  # a canary in 16 bits would fit nobody else's
        model, tokenizer = tuning.load_with(exact, folder)
        about = Publication(
            domain=house.domain.name,
            library_range=f"{new.library}>={version.major}.{version.minor},<{version.major}.{version.minor + 1}",
            base=base.name,
            base_revision=base.revision,
            fingerprint=base.fingerprint,
            snapshot=snapshot_id(house),
            run=run_id(house),
            licences=tuple(sorted({e.licence for e in rows_of(house, "train") if e.licence} | set(base.licences))),
            reports=tuple(house.lake.read(Report, "run = $run", {"run": run_id(house)})),
            canary=canary(model, tokenizer, texts[:CANARIES]),
            notices=notices(house),
        )
        store = Store(house.settings.registry_path)
        adapter = store.publish(folder, about)
        load_adapter(base.path, f"{adapter.domain}@v{adapter.version}", registry=store.root)
        return house.finish("publish", PUBLISH_PART, [key], [adapter], since, {"location": adapter.location})

    return [Batch("Publish the adapter", 1, run)]


def notices(house: House) -> dict[str, str]:
    """The licence files of the library's wheels: they travel with what was made from it."""
    notices: dict[str, str] = {}
    for release in releases(house):
        for artifact in release.artifacts:
            path = house.folder("packages") / "pypi" / release.library / artifact["name"]
            if path.suffix == ".whl" and path.is_file():
                notices |= _licence_files(path, f"notices-{release.library}-{release.version}")
    return notices


def _licence_files(wheel: Path, prefix: str) -> dict[str, str]:
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            name = PurePosixPath(member.filename)
            wanted = ".dist-info" in name.parts[0] and name.name.upper().startswith(("LICEN", "COPYING", "NOTICE"))
            if wanted and member.file_size <= _NOTICE_BYTES:
                found[f"{prefix}-{name.name}"] = archive.read(member).decode("utf-8", "replace")
    return found
