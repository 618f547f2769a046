"""What tests of the registry share: a home of their own, as versions that are used are put there by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """DRIFTUNE_HOME, empty at first."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTUNE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """URL of a bucket on a server of the tests' own, which speaks S3; the environment names it as long as tests run."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("adapters")
        yield "s3://adapters"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()
