"""Documentation sites as Debian packages them: real ones, downloaded and unpacked, not installed."""

from __future__ import annotations

import subprocess
from pathlib import Path


def unpacked(package: str, folder: Path) -> Path:
    """Downloads a package and unpacks it into a folder, which comes back."""
    download = ["apt-get", "download", package]
    if subprocess.run(download, cwd=folder, capture_output=True).returncode:
        subprocess.run(["apt-get", "update"], check=True, capture_output=True)
        subprocess.run(download, cwd=folder, check=True, capture_output=True)
    archive = next(folder.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True, capture_output=True)
    return folder
