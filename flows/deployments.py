"""Deployments on a Prefect server: what workers run, when, and in which pool; made anew at will, always the same.

For each domain `refresh/NAME` by the schedule, `stage/NAME` for one stage at a time, `watch/NAME` where it tracks its
library; and `refresh/NAME:gpu`, `stage/NAME:gpu` where training is done elsewhere. Workers are anybody's: `prefect
worker start`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.deployments.runner import RunnerDeployment
from prefect.events.actions import ActionTypes
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.flows import Flow
from prefect.types.entrypoint import EntrypointType

from flows import automations
from flows.deploy import Deployed, Request
from flows.deployed import stage, watch
from flows.engine import PATIENT
from flows.pausing import pauses
from flows.prefect_api import TAG, on_gpu
from flows.refresh import refresh
from flows.stacking.places import CPU, GPU
from registry.domain import Domain
from registry.domain_files import workloads
from registry.errors import ConfigurationError, DriftuneError
from registry.lake import Lake
from registry.settings import Settings

AT_ONCE = 2
"""Runs at a time in the pool without a GPU, until somebody says otherwise: one that was killed leaves the other."""

HOURLY = "17 * * * *"
"""When it is looked for new releases."""

HEARTBEAT_S = 30
"""Seconds between two signs of life of a run; the least that Prefect takes. After three without one it is dead."""

SILENCE = dt.timedelta(seconds=3 * HEARTBEAT_S)


def create(domains: Mapping[str, Domain], request: Request, settings: Settings) -> Deployed:
    """Creates what is missing and updates what is there.

    Args:
        domains: How each domain is named to a worker -> the domain.
        request: What is asked for.
        settings: Locations, for the workers.

    Raises:
        ConfigurationError: There is no such block, or a pool is of another kind.
        DriftuneError: The server refuses.
    """
    with _client() as client:
        told = _tellers(client, request.notify)
        pools = {CPU: _pool(client, CPU, request.docker, request.at_once, AT_ONCE)}
        if request.gpu:
            pools[GPU] = _pool(client, GPU, request.docker, None, 1)
            _limit(client)
        shared = automations.of_all(SILENCE, told.get("failed"))
        done = Deployed([], automations.write(client, shared, automations.SHARED, sparing=True))
        paused = _paused(settings)
        for reference, domain in domains.items():
            made: dict[str, UUID] = {}
            _delete(client, _former(client, domain.name))
            for pool, deployment in _wanted(reference, domain, request):
                deployment.paused = domain.name in paused and bool(deployment.schedules)
                deployment.job_variables = _variables(pools[pool], settings)
                deployment.apply(work_pool_name=pool)
                name = deployment.full_name
                made[name] = client.read_deployment_by_name(name).id
            _delete(client, [name for name in _names(domain.name) if name not in made])
            done.deployments.extend(made)
            done.automations.extend(_automate(client, domain, made, told, request))
    return done


def _paused(settings: Settings) -> Collection[str]:
    lake = Lake(settings.lake_url, settings.root, "deploy")
    lake.create()
    return pauses(lake)


def _tellers(client: SyncPrefectClient, block: str) -> dict[str, ActionTypes]:
    """What is told -> how; nothing where no block is named."""
    if not block:
        return {}
    texts = {
        "trouble": (automations.SUBJECT, automations.BODY),
        "still": (automations.STILL_SUBJECT, automations.STILL_BODY),
        "failed": (automations.FAILED_SUBJECT, automations.FAILED_BODY),
    }
    return {what: automations.told_by(client, block, *text) for what, text in texts.items()}


def _automate(
    client: SyncPrefectClient,
    domain: Domain,
    made: Mapping[str, UUID],
    told: Mapping[str, ActionTypes],
    request: Request,
) -> list[str]:
    name = domain.name
    adapters = (name, *(each.name for each in workloads(domain)))
    refresh, gpu = made[f"refresh/{name}"], made.get(f"refresh/{on_gpu(name)}")
    quiet = dt.timedelta(days=request.quiet_days)
    wanted = automations.of_domain(name, adapters, refresh, gpu, told.get("trouble"), told.get("still"), quiet)
    return automations.write(client, wanted, automations.prefix(name))


def remove(domains: Iterable[str], unread: Mapping[str, ConfigurationError] = MappingProxyType({})) -> Deployed:
    """Takes away what domains have, and the pools with the last of it; what is gone.

    Args:
        domains: Their names.
        unread: Name -> why its file couldn't be read, of those of which that is so: it may be no domain's name.

    Raises:
        ConfigurationError: The server has nothing of one that couldn't be read: nothing is taken away of any.
        DriftuneError: The server refuses.
    """
    with _client() as client:
        for name, error in unread.items():
            if not (_there(client, _all_names(client, name)) or automations.there(client, automations.prefix(name))):
                raise ConfigurationError(f"{error}; the server has nothing of {name!r} to remove") from error
        gone = Deployed([], [])
        for name in domains:
            gone.deployments.extend(_delete(client, _all_names(client, name)))
            automations.write(client, [], automations.prefix(name))
        if not client.read_deployments(deployment_filter=_ours(), limit=1):
            automations.write(client, [], automations.SHARED)
            for delete, name in (
                (client.delete_work_pool, CPU),
                (client.delete_work_pool, GPU),
                (client.delete_global_concurrency_limit_by_name, GPU),
            ):
                with contextlib.suppress(ObjectNotFound):
                    delete(name)
    return gone


def _wanted(reference: str, domain: Domain, request: Request) -> Iterator[tuple[str, RunnerDeployment]]:
    """Pool and deployment, of each that a domain has."""
    name = domain.name
    part = "cpu" if request.gpu else "all"
    nightly = {"domain": reference, "part": part, "enough": request.enough}
    yield CPU, _deployment(refresh, name, nightly, cron=request.cron)
    yield CPU, _deployment(stage, name, {"domain": reference, "gpu": request.gpu})
    if domain.library[0].track is not None:
        yield CPU, _deployment(watch, name, {"domain": reference}, cron=HOURLY)
    if request.gpu:
        yield GPU, _deployment(refresh, on_gpu(name), {"domain": reference, "part": "gpu"})
        yield GPU, _deployment(stage, on_gpu(name), {"domain": reference, "gpu": True})


def _names(name: str) -> list[str]:
    own = [f"refresh/{name}", f"stage/{name}", f"watch/{name}"]
    return [*own, f"refresh/{on_gpu(name)}", f"stage/{on_gpu(name)}"]


def _all_names(client: SyncPrefectClient, name: str) -> list[str]:
    return [*_names(name), *_former(client, name)]


def _former(client: SyncPrefectClient, name: str) -> list[str]:
    """Deployments of the GPU's part by the name they had before it was `on_gpu`: a domain may be called so."""
    found = []
    for full in (f"refresh/{name}", f"refresh/{name}-gpu"):
        with contextlib.suppress(ObjectNotFound):
            there = client.read_deployment_by_name(full)
            if TAG in there.tags and there.parameters.get("part") == "gpu":
                found.append(full)
    return found


def _deployment(flow: Flow[..., Any], name: str, parameters: dict[str, Any], cron: str | None = None) -> Any:
    return flow.to_deployment(
        name,
        cron=cron,
        parameters=parameters,
        tags=[TAG],
        version=version("driftune"),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _pool(client: SyncPrefectClient, name: str, image: str, limit: int | None, first: int) -> str:
    """Makes a work pool where it is missing; its type. One that is there keeps what isn't said anew."""
    try:
        found = client.read_work_pool(name)
    except ObjectNotFound:
        kind = "docker" if image else "process"
        template = _template(kind, image)
        made = WorkPoolCreate(name=name, type=kind, base_job_template=template, concurrency_limit=limit or first)
        client.create_work_pool(made)
        return kind
    if image and found.type != "docker":
        raise ConfigurationError(
            f"The work pool {name} is there, of type {found.type}, not docker: leave --docker out, or take the pool "
            f"away first, with prefect work-pool delete {name}"
        )
    anew: dict[str, Any] = {"base_job_template": _of_image(found.base_job_template, image)} if image else {}
    if limit is not None or found.concurrency_limit is None:  # a worker that was there before us has made it
        anew["concurrency_limit"] = limit or first
    if anew:
        client.update_work_pool(name, WorkPoolUpdate(**anew))
    return found.type


def _limit(client: SyncPrefectClient) -> None:
    """Makes the GPU's limit where it is missing; one that is there stays, as with two GPUs."""
    try:
        client.read_global_concurrency_limit_by_name(GPU)
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=1))


def _template(kind: str, image: str) -> dict[str, Any]:
    """How a pool starts its runs, as Prefect has it by default; with an image of containers."""
    known = files("prefect.server.api.collections_data") / "views" / "aggregate-worker-metadata.json"
    workers = json.loads(known.read_text("utf-8")).values()  # what the server would give, but for asking the network
    template: dict[str, Any] = next(each[kind] for each in workers if kind in each)["default_base_job_configuration"]
    return _of_image(template, image) if image else template


def _of_image(template: dict[str, Any], image: str) -> dict[str, Any]:
    template["variables"]["properties"].setdefault("image", {})["default"] = image
    return template


def _variables(kind: str, settings: Settings) -> dict[str, Any]:
    """What each run is started with: where things lie, if it can be said here; the rest is in a worker's environment.

    A process begins in this folder, and has this home unless lake and registry are shared, so that it may run on
    another machine; a container has folders of its own.
    """
    told = {"DO_NOT_TRACK": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)}
    told |= {"PREFECT_RESULTS_PERSIST_BY_DEFAULT": "0", **PATIENT}
    places = {"DRIFTUNE_LAKE": settings.lake_url, "DRIFTUNE_REGISTRY": settings.registry_url}
    shared = {name: place for name, place in places.items() if "://" in place}
    if kind != "process":
        return {"env": told | shared}
    home = {} if len(shared) == len(places) else {"DRIFTUNE_HOME": str(settings.root)}
    return {"env": told | places | home, "working_dir": str(Path.cwd())}


def _delete(client: SyncPrefectClient, names: Iterable[str]) -> list[str]:
    """Takes away deployments; the names of those that were there."""
    gone = _there(client, names)
    for identifier in gone.values():
        with contextlib.suppress(ObjectNotFound):
            client.delete_deployment(identifier)
    return list(gone)


def _there(client: SyncPrefectClient, names: Iterable[str]) -> dict[str, UUID]:
    """The deployments of some names that there are."""
    found = {}
    for name in names:
        with contextlib.suppress(ObjectNotFound):
            found[name] = client.read_deployment_by_name(name).id
    return found


def _ours() -> DeploymentFilter:
    return DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))


@contextlib.contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """A client of the configured server, whose refusals are errors of ours."""
    try:
        with get_client(sync_client=True) as client:
            yield client
    except PrefectHTTPStatusError as error:
        raise DriftuneError(
            f"The Prefect server refused: {error.response.status_code} {error.response.text}"
        ) from error
    except httpx.TransportError as error:
        raise DriftuneError(f"The Prefect server doesn't answer: {error}", retryable=True) from error
