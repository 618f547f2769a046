"""A signed registry to tamper with: what an attacker who may write to it can do, and what one who may sign can."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from registry.identity import sha256_of_bytes
from registry.manifests import location
from registry.signing import SigningKey, load_signing_key, new_signing_key, sign
from registry.store import Store
from registry.trusted import TrustedKeys, trusted_key
from tests.adapters import adapter_folder
from tests.registry.test_store import publication

DOMAIN, OTHER = "networkx", "otherlib"
WEIGHTS = "adapter_model.safetensors"


def build(folder: Path) -> None:
    """A registry with three versions of DOMAIN, the first yanked, and one of OTHER; all signed. And two keys."""
    new_signing_key(folder / "keys/publisher.pem")
    new_signing_key(folder / "keys/thief.pem")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTUNE_SIGNING_KEY", str(folder / "keys/publisher.pem"))
        patch.setenv("DRIFTUNE_HOME", str(folder / "publisher"))
        store = Store(folder / "registry")
        for domain, number in ((DOMAIN, 1), (DOMAIN, 2), (DOMAIN, 3), (OTHER, 1)):
            made = adapter_folder(folder / "made", f"{domain} {number}".encode())
            about = dataclasses.replace(publication(f"run-{number}", domain), library_range="any")  # of no line
            store.publish(made, about)
        store.promote(DOMAIN, 1, "candidate")
        store.promote(DOMAIN, 2, "candidate")
        store.yank(f"{DOMAIN}@v1", "it answers wrongly")


@dataclass(frozen=True)
class Target:
    """One copy of it, with a client who trusts the publisher and has followed `stable` before.

    Attributes:
        folder: Where all lies.
        publisher: The key that is trusted.
        thief: One that isn't.
    """

    folder: Path
    publisher: SigningKey
    thief: SigningKey

    @classmethod
    def of(cls, built: Path, folder: Path) -> Target:
        """A copy of what `build` made; nothing is trusted yet."""
        shutil.copytree(built, folder, dirs_exist_ok=True)
        return cls(folder, *(load_signing_key(folder / f"keys/{name}.pem") for name in ("publisher", "thief")))

    @property
    def root(self) -> Path:
        """The registry."""
        return self.folder / "registry"

    @property
    def keys(self) -> TrustedKeys:
        """Whom the client trusts."""
        return TrustedKeys(self.folder / "home/trusted-keys.json")

    def trust(self, **when: str) -> None:
        """Have the client trust the publisher."""
        self.keys.trust(trusted_key(self.publisher.public, os.path.realpath(self.root), "publisher", **when))

    def at(self, path: str) -> Path:
        """A file of the registry."""
        return self.root / path

    def write(self, path: str, data: bytes) -> None:
        """Write one, whatever is there."""
        self.at(path).unlink(missing_ok=True)
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).write_bytes(data)

    def flip(self, path: str, where: int = -3) -> None:
        """Change a bit of one."""
        data = bytearray(self.at(path).read_bytes())
        data[where] ^= 1
        self.write(path, bytes(data))

    def content(self, name: str, version: int = 3, domain: str = DOMAIN) -> str:
        """Where the content of a version's file lies."""
        [row] = [row for row in self.manifest(version, domain)["adapter"]["files"] if row["path"] == name]
        return f"files/{row['sha256'][:2]}/{row['sha256']}"

    def manifest(self, version: int = 3, domain: str = DOMAIN) -> dict[str, Any]:
        """What a manifest says."""
        said: dict[str, Any] = json.loads(self.at(where(version, domain)).read_bytes())
        return said

    def signature(self, path: str, key: SigningKey | None = None) -> str:
        """Where the signature of an object lies."""
        name = (key or self.publisher).public.id
        return f"{path.partition('/')[0]}/signatures/{sha256_of_bytes(self.at(path).read_bytes())}/{name}.json"

    def seal(self, path: str, key: SigningKey) -> None:
        """Sign an object as it is."""
        self.write(self.signature(path, key), sign(self.at(path).read_bytes(), key).file())

    def move(self, path: str, key: SigningKey | None, domain: str = DOMAIN, **changes: Any) -> None:
        """Add an entry to a log as one should, but for changes, signed by a key or by none."""
        log = f"{domain}/{path}"
        names = sorted(p.name for p in self.at(log).iterdir())
        last = self.at(f"{log}/{names[-1]}").read_bytes()
        said = {**json.loads(last), "number": len(names) + 1, "before": sha256_of_bytes(last), **changes}
        entry = f"{log}/{len(names) + 1:08d}.json"
        self.write(entry, rfc8785.dumps(said))
        if key is not None:
            self.seal(entry, key)

    def insider(
        self,
        files: Mapping[str, bytes] | None = None,
        rows: Callable[[list[dict[str, Any]]], object] = lambda _: None,
        data: Callable[[bytes], bytes] = lambda data: data,
        **facts: object,
    ) -> None:
        """What a publisher can do who turned bad: another version 3, signed as it should be.

        Args:
            files: Content that it has, beside its own or instead.
            rows: Changes the list of its files.
            data: Changes the bytes of its manifest before they are signed.
            facts: What it says otherwise.
        """
        from registry.records import Adapter

        said = self.manifest()["adapter"]
        for name, content in (files or {}).items():
            sha256 = sha256_of_bytes(content)
            self.write(f"files/{sha256[:2]}/{sha256}", content)
            kept = [row for row in said["files"] if row["path"] != name]
            said["files"] = [*kept, {"path": name, "sha256": sha256, "size": len(content)}]
        rows(said["files"])
        said |= facts
        adapter = Adapter(**{**said, "licences": tuple(said["licences"])})
        self.write(where(3), data(rfc8785.dumps({"id": adapter.id, "adapter": said})))
        self.seal(where(3), self.publisher)
        self.move("channels/stable", self.publisher, manifest=sha256_of_bytes(self.at(where(3)).read_bytes()))

    def link(self, path: str, to: Path | str) -> None:
        """Put a symbolic link in the place of a file or folder, which is moved away."""
        if self.at(path).exists():
            shutil.move(self.at(path), self.folder / "elsewhere")
        self.at(path).symlink_to(to)


def where(version: int = 3, domain: str = DOMAIN) -> str:
    """Where a manifest lies."""
    return f"{location(domain, version)}/manifest.json"


def entry(number: int, log: str = "channels/stable", domain: str = DOMAIN) -> str:
    """Where an entry of a log lies."""
    return f"{domain}/{log}/{number:08d}.json"


def resigned(data: bytes, **changes: str) -> bytes:
    """The file of a signature that says something else, with the same bytes of signature."""
    return rfc8785.dumps({**json.loads(data), **changes})
