"""The Docker wall, on a real engine."""

from __future__ import annotations

from pathlib import Path

import docker


def test_the_engine_answers(engine: Path) -> None:
    """The tests have an engine of their own, and it answers at DOCKER_HOST."""
    client = docker.from_env()
    try:
        assert client.ping()
        assert client.info()["DockerRootDir"].startswith(str(engine))
    finally:
        client.close()
