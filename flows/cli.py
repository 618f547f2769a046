"""The command line. A command parses, calls, renders; everything heavy is imported where it is used.

Exit codes: 0 done (or nothing to do), 1 failure, 2 the user's error, 3 completed with failures, 4 the gate refused.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_deploy import deploy_app
from flows.cli_keys import key_app
from flows.cli_lake import lake_app
from flows.cli_llm import llm_stub, vllm_stub
from flows.cli_options import (
    AcceptOption,
    AdapterOption,
    AllOption,
    BaseOption,
    ChatOption,
    DomainArgument,
    DomainsArgument,
    EngineOption,
    JsonOption,
    RayOption,
    SeedOption,
    named_domains,
    use_engine,
)
from flows.cli_registry import registry_app
from flows.cli_server import server_app
from flows.cli_stack import stack_app
from flows.cli_subscribe import subscribe
from flows.cli_subscriptions import subscription_app

_INTERRUPTED = 130

app = typer.Typer(
    name="driftune",
    help="Keeps code models in tune as libraries drift: from the docs of two versions to a gated PEFT adapter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(deploy_app)
app.add_typer(lake_app)
registry_app.add_typer(key_app, name="key")
app.add_typer(registry_app, name="registry")
app.add_typer(server_app)
app.add_typer(stack_app, name="stack", no_args_is_help=True)
app.add_typer(subscription_app, name="subscription", no_args_is_help=True)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    if debug:
        os.environ["DRIFTUNE_DEBUG"] = "1"


@app.command()
def init(
    library: Annotated[str, typer.Argument(help="Name of the library on the package index.")],
    versions: Annotated[
        tuple[str, str] | None, typer.Option(help="Old and new version; the two newest lines where not given.")
    ] = None,
    track: Annotated[bool, typer.Option("--track", help="Go from release to release by itself.")] = False,
) -> None:
    """Write domains/LIBRARY.toml, commented."""
    from flows.init import init_domain

    path = init_domain(library, versions, track=track)
    print(f"Wrote {path}. Next: driftune run {path.stem}")


@app.command()
def run(
    domains: DomainsArgument = None,
    all_: AllOption = False,
    jobs: Annotated[int, typer.Option(min=1, help="Of several domains: how many work at a time.")] = 1,
    accept_removals: AcceptOption = False,
    engine: EngineOption = "",
    ray_address: RayOption = "",
    as_json: JsonOption = False,
) -> None:
    """Everything, from docs to a published adapter; run again after anything that stopped it."""
    named = named_domains(domains, all_=all_)
    use_engine(engine, ray_address)
    if len(named) == 1:
        from flows.run import run_domain

        raise typer.Exit(run_domain(named[0], as_json=as_json, accept_removals=accept_removals))
    from flows.many import run_all

    raise typer.Exit(run_all(named, jobs=jobs, as_json=as_json, accept_removals=accept_removals))


@app.command()
def plan(domains: DomainsArgument = None, all_: AllOption = False, as_json: JsonOption = False) -> None:
    """What a run would do now."""
    named = named_domains(domains, all_=all_)
    if len(named) == 1:
        from flows.run import show_plan

        show_plan(named[0], as_json=as_json)
    else:
        from flows.many import show_plans

        show_plans(named, as_json=as_json)


def _stage(name: str, text: str) -> None:
    """Adds the command of one stage."""

    def command(domain: DomainArgument) -> None:
        from flows.run import run_stage

        raise typer.Exit(run_stage(domain, name))

    app.command(name, help=text)(command)


def _spread_stage(name: str, text: str) -> None:
    """Adds the command of one stage whose shards an engine does."""

    def command(domain: DomainArgument, engine: EngineOption = "", ray_address: RayOption = "") -> None:
        from flows.run import run_stage

        use_engine(engine, ray_address)
        raise typer.Exit(run_stage(domain, name))

    app.command(name, help=text)(command)


def _guarded_stage(name: str, text: str) -> None:
    """Adds the command of one stage that stops and asks before much of what there was goes."""

    def command(domain: DomainArgument, accept_removals: AcceptOption = False) -> None:
        from flows.run import run_stage

        raise typer.Exit(run_stage(domain, name, accept_removals=accept_removals))

    app.command(name, help=text)(command)


_guarded_stage("scrape", "Documentation, source and tests of both versions; what changed between them.")
_spread_stage("synth", "Examples: mined; and, from those that are proven, bugs, drift and preference pairs.")
_spread_stage("validate", "Run every program that has no verdict yet in the sandbox.")
_guarded_stage("curate", "Remove what is unproven, unlicensed, vacuous or doubled; split; freeze a snapshot.")
_stage("train", "Make the base where it is missing, and train an adapter on the latest snapshot.")


@app.command()
def evaluate(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="A domain; with --tasks it may be left out.")] = "",
    tasks: Annotated[Path | None, typer.Option(metavar="FILE", help="Tasks, one a line; or builtin:general.")] = None,
    adapter: AdapterOption = "",
    base: BaseOption = None,
    k: Annotated[list[int] | None, typer.Option("--k", min=1, help="The k of pass@k; several may be given.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Programs for a task; the largest k if none.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Programs for a task that feedback is given on.")] = 1,
    temperature: Annotated[float | None, typer.Option(min=0, help="0 for one sample, 0.8 for several.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a program at most.")] = 256,
    timeout: Annotated[float, typer.Option(min=0.01, help="Seconds that a program may take.")] = 10.0,
    seed: SeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="File of results, appended to; what is in it is taken.")] = None,
    chat: ChatOption = False,
    backend: Annotated[str, typer.Option(help="auto, transformers or vllm: what writes.")] = "auto",
    engine: EngineOption = "",
    ray_address: RayOption = "",
    as_json: JsonOption = False,
) -> None:
    """Score base and adapter on what was held out; the gate decides. With --tasks: on your own tasks, by pass@k."""
    from flows.tasks import Request
    from flows.tasks import evaluate as score

    use_engine(engine, ray_address)
    ks = tuple(dict.fromkeys(k or [1]))
    request = Request(
        tasks, domain, base, adapter, ks, samples, rounds, temperature, max_tokens, timeout, seed, out, chat, backend
    )
    raise typer.Exit(score(request, as_json=as_json))


_stage("publish", "Publish the adapter, if the gate said so.")


@app.command()
def experiment(
    domain: DomainArgument,
    seed: Annotated[list[int] | None, typer.Option(help="Seed of a training; several may be given.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of [train], as sft.steps=60.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train and evaluate with other seeds or settings: reported beside the domain's own run, never published."""
    from flows.experiments import run_experiments

    run_experiments(domain, seed or [], set_ or [], as_json=as_json)


@app.command()
def prove(
    domain: DomainArgument,
    base: Annotated[str, typer.Option(metavar="SIZE", help="Size of the base: tiny, 50m, 100m or 150m.")] = "100m",
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes that the base is trained for; 8, but for tiny.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    package: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A package whose source the base learns; all if none.")
    ] = None,
    phase: Annotated[
        str, typer.Option(help="train: all but running the programs; judge: that; all: both, as far as can be.")
    ] = "all",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of [train], as sft.steps=60.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a larger base on the spot, train and evaluate on it, never published: adapter against base+docs."""
    from flows.prove import Request
    from flows.prove import prove as prove_all

    request = Request(domain, base, minutes, device, tuple(package or ()), tuple(set_ or ()), phase)
    raise typer.Exit(prove_all(request, as_json=as_json))


@app.command()
def status(
    domain: Annotated[str | None, typer.Argument(metavar="[DOMAIN]", help="One domain, or all.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show what runs are at, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The funnel and the last run; with --watch what runs are at now, on any machine."""
    if watch:
        from flows.live import watch_runs

        watch_runs(domain, as_json=as_json)
        return
    from flows.status import show_status

    show_status(domain, as_json=as_json)


@app.command()
def report(
    domain: DomainArgument,
    run: Annotated[str, typer.Option(help="Id of a run, or the start of one; the latest where not given.")] = "",
    out: Annotated[Path | None, typer.Option(help="The page's file; DOMAIN-report.html where not given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What the gate saw of a run, as one HTML page: decision, arms, wins and losses by family, loss."""
    from flows.report import write_report

    write_report(domain, run, out, as_json=as_json)


@app.command()
def judge(
    rows: Annotated[Path, typer.Argument(metavar="ROWS.jsonl", help="One JSON object a line; - for standard input.")],
    out: Annotated[Path, typer.Option(help="File of results, appended to; finished ids are skipped.")] = Path("-"),
    workers: Annotated[int | None, typer.Option(min=1, help="Programs at a time; one a core where not given.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="How often each is run; differing outcomes are flaky.")] = 1,
    timeout: Annotated[float, typer.Option(min=0.01, help="Seconds for one, where its row says nothing.")] = 10.0,
    sandbox: Annotated[str, typer.Option(help="auto, bubblewrap or docker.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Run anybody's programs in the sandbox: a verdict for each row."""
    from flows.judge import Options, judge_rows

    raise typer.Exit(judge_rows(rows, out, Options(workers, attempts, timeout, sandbox), as_json=as_json))


@app.command()
def solve(
    task: Annotated[str, typer.Argument(metavar="TASK", help="What the program shall do, in words.")],
    domain: Annotated[str, typer.Option(help="Domain whose adapter writes, and whose library it may use.")] = "",
    adapter: AdapterOption = "",
    base: BaseOption = None,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="Python that must hold of the program.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Programs at most; each sees what the last did wrong.")] = 3,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a program at most.")] = 512,
    seed: SeedOption = 0,
    chat: ChatOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a program with execution feedback: write, run it in the sandbox, show what went wrong, write again."""
    from flows.solve import Problem
    from flows.solve import solve as find

    problem = Problem(task, domain, adapter, base, test, rounds, temperature, max_tokens, seed, chat)
    raise typer.Exit(find(problem, as_json=as_json))


app.command()(subscribe)
app.command("llm-stub")(llm_stub)
app.command("vllm-stub")(vllm_stub)


@app.command()
def doctor(
    sandbox: Annotated[
        str, typer.Option(metavar="NAME", help="Try this sandbox with attacks and honest programs (a minute).")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """What is here, what is missing, and how to get it."""
    from flows.doctor import show_findings

    if sandbox:
        from flows.sandboxes import show_sandbox

        raise typer.Exit(show_sandbox(sandbox, as_json=as_json))
    raise typer.Exit(show_findings(as_json=as_json))


def main() -> None:
    """The entry point: every error one clear line, no traceback without --debug."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch reads it when it is imported: threads wait, not spin
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:  # typer makes this of a KeyboardInterrupt, and says nothing
            _say("Stopped; run the same command again to continue")
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        sys.exit(_explain(error))


def _explain(error: Exception) -> int:
    from registry.errors import DriftuneError

    if os.environ.get("DRIFTUNE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, DriftuneError):
        _say(f"driftune: {error}")
        return error.exit_code
    _say(f"driftune: {type(error).__name__}: {error} (a bug; run with --debug for the traceback)")
    return 1


def _say(text: str) -> None:
    """The last line on standard error: for a person, or with `DRIFTUNE_LOG=json` for a machine."""
    if os.environ.get("DRIFTUNE_LOG") == "json":
        from flows.logs import line

        text = line("error", text.removeprefix("driftune: "), {})
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
