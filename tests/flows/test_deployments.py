"""`driftune deploy --server`: what a real Prefect server has after it, how often it is asked, and after `--remove`."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from flows.abandoned import crash_abandoned
from flows.deploy import Deployed, Request, api_address, serve
from flows.events import happened
from flows.pausing import show_pausing
from flows.prefect_api import ALIVE, TAG, on_gpu
from flows.scheduled import Part, look_scheduled
from flows.stages import COMMANDS, PARTS, STAGES, stages_of
from registry.domain import Domain
from registry.domain_files import load_domain
from registry.errors import ConfigurationError
from registry.settings import Settings
from tests.flows.prefect_place import Place, served_place
from tests.flows.runs import ROOT, environment, small_domain
from tests.flows.test_tracking import DOMAIN, modules
from tests.indexed import own_index
from tests.served import Quiet, served

NIGHTLY = "0 3 * * *"


def test_parts_make_up_a_run() -> None:
    """What a CPU and a GPU machine do is each stage once, in a run's order; and parts are what a flow takes."""
    assert set(get_args(Part)) == set(PARTS)
    assert [*stages_of(PARTS["cpu"]), *stages_of(PARTS["gpu"])] == list(STAGES) == stages_of(PARTS["all"])


@pytest.mark.parametrize(
    "said", ["http://127.0.0.1:4200", "http://127.0.0.1:4200/", "http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api/"]
)  # fmt: skip
def test_the_address_of_page_and_api_will_do(said: str) -> None:
    """A server is named by the address that a browser has, or by Prefect's own setting."""
    assert api_address(said) == "http://127.0.0.1:4200/api"
    assert api_address("http://api.localhost") == "http://api.localhost/api", "a host's name is no path"


@pytest.mark.parametrize("said", ["prefect:4200", "localhost", "http://[::1", "http://ada:s3cret@127.0.0.1:4200"])
def test_what_is_no_address_is_refused_and_a_login_not_repeated(said: str) -> None:
    """It is one line; who has a login in it is told where that belongs, and it is printed nowhere."""
    with pytest.raises(ConfigurationError, match="address of a Prefect server") as refused:
        api_address(said)
    assert "s3cret" not in str(refused.value)


def test_pools_need_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only workers can do is refused where there is no server, instead of being left out."""
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigurationError, match="Without a Prefect server there are no pools: name one with --server"):
        serve(["networkx"], Request("0 3 * * *", gpu=True))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A Prefect server of these tests' own, which this process uses too."""
    with served_place(tmp_path_factory.mktemp("place")) as found:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: found.address}):
            yield found


def deployed(place: Place, request: Request, name: str = "more-itertools") -> Deployed:
    """Deploys the place's domain, as the command does; perhaps under another name."""
    from flows.deployments import create

    domain = load_domain(str(place.folder / "domains" / "more-itertools.toml")).model_copy(update={"name": name})
    return create({name: domain}, request, Settings(home=place.folder / "home"))


@dataclass
class Told:
    """What a webhook was told: the bodies of its requests."""

    texts: list[str] = field(default_factory=list)

    def wait(self, *parts: str, seconds: float = 60) -> None:
        """Waits until each of these was part of something that was told."""
        wait(lambda: all(any(part in text for text in self.texts) for part in parts), seconds, lambda: self.texts)


def wait(ready: Callable[[], object], seconds: float, said: Callable[[], object]) -> None:
    """Waits for something that a server does by itself."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, said()
        time.sleep(0.3)


@pytest.fixture
def told(place: Place) -> Iterator[Told]:
    """A webhook that the blocks `custom-webhook/nightly` and `webhook/plain` of the server call."""
    heard = Told()

    class Webhook(Quiet):
        def do_POST(self) -> None:
            heard.texts.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.blocks.webhook import Webhook as Plain

    with served(Webhook) as address:
        text = {"text": "{{subject}}\n{{body}}"}
        CustomWebhookNotificationBlock(name="nightly", url=address, json_data=text).save("nightly", overwrite=True)
        Plain(url=address).save("plain", overwrite=True)
        yield heard


def runs_of(place: Place, deployment: str) -> list[Any]:
    """Runs of a deployment that no schedule planned."""
    wanted = {"deployments": {"id": {"any_": [place.deployments()[deployment]["id"]]}}}
    return [run for run in place.post("flow_runs/filter", wanted) if not run["auto_scheduled"]]


@pytest.mark.slow
def test_news_of_a_domain_starts_what_it_should_and_trouble_is_told(
    place: Place, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new release refreshes on the CPU, enough new rows train on the GPU, and a person is told of each trouble."""
    from flows import automations

    monkeypatch.setenv("PREFECT_API_URL", place.address)
    with pytest.raises(ConfigurationError, match="No block custom-webhook/nope on the Prefect server"):
        deployed(place, Request(NIGHTLY, notify="custom-webhook/nope"))
    said = place.run("deploy", "more-itertools", "--gpu", "--notify", "custom-webhook/nightly", "--json")
    made = place.found("automations")
    assert set(json.loads(said)["automations"]) == set(made)
    time.sleep(1)  # the server's triggers hear of it through its database
    happened("more-itertools", "driftune.release.new", old="10.0", new="11.0")
    happened("other", "driftune.release.new", old="1", new="2")
    wait(lambda: len(runs_of(place, "refresh/more-itertools")) == 1, 60, lambda: made)
    assert runs_of(place, "refresh/more-itertools:gpu") == []
    happened("more-itertools", "driftune.rows.proven", new=40)
    wait(lambda: len(runs_of(place, "refresh/more-itertools:gpu")) == 1, 60, lambda: made)
    for kind in automations.TROUBLE:
        happened("more-itertools", kind, reason=f"why {kind} <b>{{{{ 7 * 7 }}}}")
    told.wait(
        *(f"driftune more-itertools: {kind}\\nreason: why {kind} < b>{{{{ 7 * 7 }}}}" for kind in automations.TROUBLE)
    )
    assert len(runs_of(place, "refresh/more-itertools")) == 1

    deployed(place, Request(NIGHTLY, gpu=True, notify="custom-webhook/nightly"))
    assert {name: row["updated"] for name, row in place.found("automations").items()} == {
        name: row["updated"] for name, row in made.items()
    }, "what is as it should be is not written again: a trigger would begin anew"


def begun(place: Place, deployment: str, **said: Any) -> Any:
    """A run that is running."""
    run = place.post(f"deployments/{deployment}/create_flow_run", said)
    for state in ("PENDING", "RUNNING"):
        place.post(f"flow_runs/{run['id']}/set_state", {"state": {"type": state}})
    return run


def beat(place: Place, run: Any, tag: str = TAG) -> None:
    """A run gives a sign of life, as Prefect's engine does."""
    sign = {
        "id": str(uuid.uuid4()),
        "event": ALIVE,
        "occurred": dt.datetime.now(dt.UTC).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run['id']}"},
        "related": [{"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}],
    }
    place.post("events", [sign])


def heard(place: Place, run: Any) -> bool:
    """Whether a sign of life of a run is known."""
    of = {"resource": {"id": [f"prefect.flow-run.{run['id']}"]}, "event": {"name": [ALIVE]}}
    return bool(place.post("events/filter", {"filter": of})["events"])


@pytest.mark.slow
def test_a_dead_run_crashes_and_silence_is_told(place: Place, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that gives no sign of life any more becomes Crashed, and that, and that nothing is new, is told."""
    from prefect.client.orchestration import get_client

    from flows import automations

    deployed(place, Request(NIGHTLY))
    with get_client(sync_client=True) as client:
        failed = automations.told_by(client, "webhook/plain", automations.FAILED_SUBJECT, automations.FAILED_BODY)
        still = automations.told_by(client, "webhook/plain", automations.STILL_SUBJECT, automations.STILL_BODY)
        short = dt.timedelta(seconds=10)
        automations.write(client, automations.of_all(short, failed), "driftune: ")
        quiet = automations.of_domain("quiet", ["quiet"], uuid.uuid4(), None, None, still, short)
        automations.write(client, quiet, automations.prefix("quiet"))
    made = place.deployments()["stage/more-itertools"]["id"]
    tags = (TAG, "somebody-elses")
    runs = [begun(place, made, tags=[tag], parameters={"stage": "curate"}) for tag in tags]
    for run, tag in zip(runs, tags, strict=True):
        beat(place, run, tag)

    def states() -> list[str]:
        wanted = {"flow_runs": {"id": {"any_": [run["id"] for run in runs]}}}
        found = {run["id"]: run["state"]["name"] for run in place.post("flow_runs/filter", wanted)}
        return [found[run["id"]] for run in runs]

    wait(lambda: states() == ["Crashed", "Running"], 60, states)
    told.wait(f"driftune: {runs[0]['name']} Crashed\nNo sign of life for 10 s")
    told.wait("driftune quiet: no news -> told\nNothing was published, and no release came, for")
    with get_client(sync_client=True) as client:
        automations.write(client, [], automations.prefix("quiet"))


@pytest.mark.slow
def test_prefects_own_command_makes_the_same_deployments(place: Place) -> None:
    """`prefect deploy --all` takes the repository's prefect.yaml, and what it makes is what `driftune deploy` makes."""
    from flows.deployments import create, remove

    domains = {"networkx": load_domain(str(ROOT / "domains/networkx.toml"))}
    create(domains, Request(NIGHTLY), Settings(home=place.folder))
    ours = place.deployments()
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env=environment(place.folder, PREFECT_API_URL=place.address, PREFECT_HOME=str(place.folder / "prefect")),
        check=True,
        capture_output=True,
    )
    theirs = place.deployments()
    assert set(theirs) == set(ours)
    for name in ("refresh/networkx", "stage/networkx"):
        for said in ("id", "entrypoint", "tags", "work_pool_name", "parameter_openapi_schema", "pull_steps"):
            assert theirs[name][said] or not ours[name][said], (name, said)
            assert (theirs[name][said] or None) == (ours[name][said] or None), (name, said)
        assert theirs[name]["parameters"].items() <= ours[name]["parameters"].items()
    assert [each["schedule"]["cron"] for each in theirs["refresh/networkx"]["schedules"]] == [NIGHTLY]
    assert "driftune networkx: new release -> refresh" in place.found("automations")
    remove(domains)


@pytest.mark.slow
def test_the_watch_tells_of_the_same_release_once_a_day(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no run goes to a release, as each fails before, the next look says when it was told; a newer is told."""
    (tmp_path / "made").mkdir()
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_API_URL", place.address)
    about = {"filter": {"resource": {"id": ["driftune.domain.lib"]}}}

    def events() -> list[str]:
        return [event["payload"]["new"] for event in place.post("events/filter", about)["events"]]

    with own_index(tmp_path / "made") as index:
        file = tmp_path / "lib.toml"
        file.write_text(DOMAIN.format(settings='track = "latest"', url=index.url))
        for version in ("1.0", "1.1"):
            index.add("lib", version, modules(version))
        assert look_scheduled(str(file)) == "1.0 -> 1.1 (found now); told"
        wait(events, 30, events)
        assert "no run went to it: it is told again a day after" in look_scheduled(str(file))
        index.add("lib", "1.2", modules("1.2"))
        assert look_scheduled(str(file)) == "1.1 -> 1.2 (found now); told"
    wait(lambda: "1.2" in events(), 30, events)
    assert events() == ["1.2", "1.1"]


def stage_of(place: Place, run: str) -> Any:
    """A run of the flow `stage` within a run: as Prefect has it, by a task of that."""
    task = {"flow_run_id": run, "task_key": "stage", "dynamic_key": "0"}
    flow = place.post("flows/", {"name": "stage"})["id"]
    return place.post("flow_runs/", {"flow_id": flow, "parent_task_run_id": place.post("task_runs/", task)["id"]})["id"]


@pytest.mark.slow
def test_who_holds_a_domain_crashes_the_runs_that_were_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a domain's runs that are called running those are dead that give no sign of life, but for those just begun.

    One that waits for a place of the GPU holds no lock, and is alive.
    """
    from flows import abandoned

    deployed(place, Request(NIGHTLY, gpu=True))
    made = {name: row["id"] for name, row in place.deployments().items()}
    dead, own = (begun(place, made["refresh/more-itertools"])["id"] for _ in range(2))
    alone = begun(place, made["stage/more-itertools"], parameters={"stage": "train"})["id"]
    waiting = begun(place, made["refresh/more-itertools:gpu"])
    stage = stage_of(place, dead)
    for state in ("PENDING", "RUNNING"):
        place.post(f"flow_runs/{stage}/set_state", {"state": {"type": state}})
    monkeypatch.setenv("PREFECT_API_URL", place.address)
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", own)
    assert crash_abandoned("more-itertools") == []
    since = dt.datetime.now(dt.UTC)
    time.sleep(1)
    beat(place, waiting)
    wait(lambda: heard(place, waiting), 30, lambda: waiting)
    monkeypatch.setattr(abandoned, "SILENT", dt.datetime.now(dt.UTC) - since)
    assert {dead, alone} <= set(crash_abandoned("more-itertools"))
    assert crash_abandoned("other") == []
    runs = [dead, alone, stage, own, waiting["id"]]
    rows = place.post("flow_runs/filter", {"flow_runs": {"id": {"any_": runs}}})
    found = {row["id"]: row["state"]["type"] for row in rows}
    assert [found[run] for run in runs] == ["CRASHED"] * 3 + ["RUNNING"] * 2


@pytest.mark.slow
def test_deploying_is_idempotent_and_can_be_taken_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deployed again, with other options too, the server has the same deployments; removed, it has nothing of ours."""
    from prefect.client.orchestration import get_client

    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("DRIFTUNE_HOME", str(place.folder / "home"))
    monkeypatch.setenv("PREFECT_API_URL", place.address)
    deployed(place, Request("0 3 * * *"))
    first = place.deployments()
    assert set(first) == {"refresh/more-itertools", "stage/more-itertools", "watch/more-itertools"}

    done = deployed(place, Request("30 4 * * *", gpu=True, at_once=3))
    assert set(done.deployments) == {*first, "refresh/more-itertools:gpu", "stage/more-itertools:gpu"}
    second = place.deployments()
    assert {name: second[name]["id"] for name in first} == {name: row["id"] for name, row in first.items()}
    nightly = second["refresh/more-itertools"]
    assert [each["schedule"]["cron"] for each in nightly["schedules"]] == ["30 4 * * *"]
    assert (nightly["parameters"]["part"], nightly["work_pool_name"]) == ("cpu", "driftune-cpu")
    gpu = second["refresh/more-itertools:gpu"]
    assert (gpu["parameters"]["part"], gpu["work_pool_name"], gpu["schedules"]) == ("gpu", "driftune-gpu", [])
    alone = [second[name] for name in ("stage/more-itertools", "stage/more-itertools:gpu")]
    assert [each["work_pool_name"] for each in alone] == ["driftune-cpu", "driftune-gpu"]
    assert [each["parameters"]["gpu"] for each in alone] == [True, True], "a training takes its place in either pool"
    assert second["stage/more-itertools"]["parameter_openapi_schema"]["properties"]["stage"]["enum"] == list(COMMANDS)
    assert nightly["job_variables"]["env"]["DRIFTUNE_HOME"] == str(place.folder / "home")
    pools = place.found("work_pools")
    assert {name: pools[name]["concurrency_limit"] for name in pools} == {"driftune-cpu": 3, "driftune-gpu": 1}
    assert place.found("v2/concurrency_limits")["driftune-gpu"]["limit"] == 1

    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("driftune-gpu", 2)
    show_pausing("more-itertools", paused=True, why="", as_json=False)
    deployed(place, Request("30 4 * * *", gpu=True))
    paused = {name for name, row in place.deployments().items() if row["paused"]}
    assert paused == {"refresh/more-itertools", "watch/more-itertools"}, "what runs by the clock, and by nobody's wish"
    show_pausing("more-itertools", paused=False, why="", as_json=False)
    assert not any(row["paused"] for row in place.deployments().values())

    assert place.found("v2/concurrency_limits")["driftune-gpu"]["limit"] == 2, "somebody has two of them"

    deployed(place, Request("30 4 * * *"))  # no longer with a GPU: the run does everything again
    third = place.deployments()
    assert set(third) == set(first)
    assert third["refresh/more-itertools"]["parameters"]["part"] == "all"

    place.run("deploy", "more-itertools", "--remove")
    for image in ("driftune-worker:1", "driftune-worker:2"):  # a newer image is what it is deployed again for
        deployed(place, Request("30 4 * * *", docker=image))
        pool = place.found("work_pools")["driftune-cpu"]
        assert pool["base_job_template"]["variables"]["properties"]["image"]["default"] == image
        assert pool["concurrency_limit"] == 2

    place.run("deploy", "more-itertools", "--remove")
    assert (
        place.deployments()
        == place.found("automations")
        == place.found("work_pools")
        == place.found("v2/concurrency_limits")
        == {}
    )


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_a_stage_alone_trains_at_its_turn_of_the_gpu() -> None:
    """What trains alone enters nothing where the GPU's limit is missing; what needs no GPU doesn't ask for it."""
    from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError

    from flows.deployed import Command, stage

    for command in get_args(Command):
        refusal = ConcurrencySlotAcquisitionError if command in PARTS["gpu"] else ConfigurationError
        with pytest.raises(refusal, match="driftune-gpu" if command in PARTS["gpu"] else "No domain file"):
            stage.fn("nowhere", command, gpu=True)
    with pytest.raises(ConfigurationError, match="No domain file"):
        stage.fn("nowhere", "train")


@pytest.mark.slow
def test_a_domain_may_be_called_as_the_gpus_part_of_another_was(place: Place) -> None:
    """What an older driftune has deployed of X under the name X-gpu goes; what a domain X-gpu has there stays.

    A name that nothing is called by, on the server or here, is refused before anything is taken away.
    """
    with_gpu = Request(NIGHTLY, gpu=True)
    deployed(place, with_gpu)
    now = place.deployments()["refresh/more-itertools:gpu"]
    former = {key: now[key] for key in ("flow_id", "parameters", "tags", "work_pool_name", "entrypoint")}
    place.post("deployments/", former | {"name": "more-itertools-gpu"})
    deployed(place, with_gpu)
    assert "refresh/more-itertools-gpu" not in place.deployments()
    deployed(place, with_gpu, "more-itertools-gpu")
    deployed(place, Request(NIGHTLY))
    assert {"refresh/more-itertools-gpu", "refresh/more-itertools-gpu:gpu"} < set(place.deployments())
    held = place.deployments()
    said = place.run("deploy", "more-itertools", "more-itertoolz", "--remove", fails=2)
    assert "No domain file domains/more-itertoolz.toml: did you mean more-itertools" in " ".join(said.split())
    assert "the server has nothing of 'more-itertoolz' to remove" in " ".join(said.split())
    assert place.deployments() == held
    place.run("deploy", "more-itertools", "--remove")
    assert place.deployments()["refresh/more-itertools-gpu"]["parameters"]["part"] == "cpu"
    place.run("deploy", "more-itertools-gpu", "--remove")  # there is no file of that name any more
    assert place.deployments() == {}


def test_no_domain_is_called_as_what_the_gpu_does_of_another() -> None:
    """A deployment's name belongs to one domain."""
    library = [{"name": "toolz", "versions": ("0.12.0", "1.0.0")}]
    with pytest.raises(ValidationError, match="name"):
        Domain.model_validate({"name": on_gpu("toolz"), "library": library})


def test_a_server_that_is_away_is_one_line(tmp_path: Path) -> None:
    """Where nobody answers, that is said with the address, and nothing is made."""
    (tmp_path / "domains").mkdir()
    small_domain(tmp_path / "domains")
    gone = Place("http://127.0.0.1:9/api", tmp_path)
    assert gone.run("deploy", "more-itertools", fails=1).startswith(
        "driftune: No Prefect server answers at http://127.0.0.1:9/api"
    )
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_what_a_library_said_mentions_nobody() -> None:
    """A chat obeys what stands in <…>: a mention of all, a link with another text."""
    from jinja2.sandbox import SandboxedEnvironment

    from flows.automations import BODY

    event = {"payload": {"error": "<!channel> <https://127.0.0.1|see>", "tries": 3}}
    told = SandboxedEnvironment().from_string(BODY).render(event=event)
    assert told == "error: < !channel> < https://127.0.0.1|see>\ntries: 3\n"
