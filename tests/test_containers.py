"""What runs driftune in containers, as far as it can be read: compose's file, the Dockerfile, Kubernetes' template.

That images build and run was looked at by hand: docs/how-to/stack.md says what of it.
"""

from __future__ import annotations

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from flows.stacking.places import CPU, GPU

ROOT = Path(__file__).parent.parent
PASSWORDS = {"DATABASE_PASSWORD": "d4tabase", "PREFECT_PASSWORD": "driftune:pr3fect"}


def composed(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = ["docker-compose", "-f", ROOT / "docker-compose.yml", *arguments]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as compose itself reads them, with the profile gpu."""
    import yaml

    done = composed("--profile", "gpu", "config", **PASSWORDS)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]


def test_compose_asks_for_passwords() -> None:
    """Nothing starts with a password that everybody knows: without one, compose says where it comes from."""
    done = composed("config")
    assert done.returncode != 0
    assert "scripts/stack.sh passwords" in done.stderr


def test_passwords_are_made_once_and_are_their_owners(tmp_path: Path) -> None:
    """By the script that starts containers; and what it shall run in is said in one of two words."""

    def run(part: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "DRIFTUNE_HOME": str(tmp_path / "home"), **more}
        command = [ROOT / "scripts/stack.sh", part]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run("passwords").returncode == 0
    file = tmp_path / "home" / "stack.env"
    made = file.read_text()
    assert sorted(line.partition("=")[0] for line in made.splitlines()) == sorted(PASSWORDS)
    assert all(len(line) > 40 for line in made.splitlines()) and file.stat().st_mode & 0o777 == 0o600
    assert run("passwords").returncode == 0 and file.read_text() == made
    refused = run("up", STACK="vm")
    assert (refused.returncode, refused.stderr) == (2, "driftune: STACK is processes or containers, found 'vm'\n")


def test_compose_has_the_same_parts_as_the_stack(services: dict[str, Any]) -> None:
    """Each waits for what it needs to be healthy, and says how it is asked; workers are those of our pools."""
    assert set(services) == {"postgres", "prefect", "cpu-worker", "gpu-worker", "registry"}
    assert all(service["healthcheck"]["test"] for service in services.values())
    needs = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    assert needs["prefect"] == {"postgres"} and needs["cpu-worker"] == needs["gpu-worker"] == {"prefect"}
    assert CPU in services["cpu-worker"]["command"] and GPU in services["gpu-worker"]["command"]
    assert services["gpu-worker"]["profiles"] == ["gpu"]


def test_compose_lets_nobody_in_from_outside(services: dict[str, Any]) -> None:
    """Ports are on loopback alone, nothing is privileged or has the engine's socket, and ours keep no capability."""
    for name, service in services.items():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert not service.get("privileged") and "docker.sock" not in json.dumps(service), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert name == "postgres" or service["cap_drop"] == ["ALL"], name


def test_what_comes_from_elsewhere_is_pinned(services: dict[str, Any]) -> None:
    """Images of others have a whole version, and nothing is `latest`."""
    [base] = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "docker/Dockerfile").read_text(), re.M)
    for image in (base, services["postgres"]["image"]):
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+", image), image


def test_images_run_as_nobody_in_particular() -> None:
    """Both images that are made end as a numbered user, so that Kubernetes' runAsNonRoot can see that it isn't root."""
    stages = re.split(r"^FROM ", (ROOT / "docker/Dockerfile").read_text(), flags=re.M)[1:]
    ends = {re.match(r"\S+ AS (\S+)", stage)[1]: re.findall(r"^USER (\S+)$", stage, re.M) for stage in stages}  # type: ignore[index]
    assert ends["server"] == ends["worker"] == ["10001:10001"]


def test_an_image_gets_all_packages_and_nothing_that_lies_about() -> None:
    """What is copied is let through, and the rest of the folder isn't: no lake, no key, no history."""
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(?:--chown=\S+ )?(.+) \S+$", (ROOT / "docker/Dockerfile").read_text(), re.M)
    assert let == {name for line in copied for name in line.split()}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert {"flows", "registry", "scrapers", "synth", "validators", "finetune"} <= let


def test_prefect_fills_in_kubernetes_template() -> None:
    """Its holes are those that it declares, Prefect's own among them; a pod runs without root and without a token."""
    from prefect.utilities.templating import apply_values, find_placeholders

    template = json.loads((ROOT / "docker/kubernetes.json").read_text())
    variables = template["variables"]["properties"]
    asked = {hole.name for hole in find_placeholders(template["job_configuration"])}
    assert asked == set(variables)
    known = files("prefect.server.api.collections_data") / "views" / "aggregate-worker-metadata.json"
    workers = json.loads(known.read_text("utf-8")).values()
    theirs = next(each["kubernetes"] for each in workers if "kubernetes" in each)["default_base_job_configuration"]
    assert set(theirs["variables"]["properties"]) <= set(variables)
    assert set(theirs["job_configuration"]) == set(template["job_configuration"])
    values = {name: each["default"] for name, each in variables.items() if "default" in each}
    pod = apply_values(template["job_configuration"], values)["job_manifest"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == 10001 and pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"].startswith("driftune-worker:") and container["resources"]["limits"]["memory"] == "8Gi"
    assert pod["volumes"][0]["emptyDir"]["sizeLimit"] == container["resources"]["limits"]["ephemeral-storage"] == "20Gi"
