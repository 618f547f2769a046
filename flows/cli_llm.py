"""`driftune llm-stub` and `vllm-stub`: a scripted endpoint, where no LLM is at hand; vLLM's, where there is no GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_options import SeedOption


def llm_stub(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0: any that is free.")] = 0,
    answers: Annotated[Path | None, typer.Option(metavar="FILE", help="Recorded answers, one a line.")] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep what --upstream answers here.")] = None,
    upstream: Annotated[str, typer.Option(metavar="URL", help="An endpoint that answers, to be recorded.")] = "",
    faults: Annotated[str, typer.Option(metavar="KIND=SHARE,...", help="What goes wrong: error=0.2,cut=0.1:1.")] = "",
    limits: Annotated[str, typer.Option(metavar="NAME=N,...", help="As requests=60,tokens=90000,seconds=60.")] = "",
    delay: Annotated[str, typer.Option(metavar="SECONDS", help="That an answer takes: 0.2, or 0.1-0.5.")] = "0",
    obey: Annotated[bool, typer.Option("--obey", help="Obey whatever stands outside the fence, visibly.")] = False,
    schemas: Annotated[bool, typer.Option(help="Know structured outputs.")] = True,
    ledger: Annotated[Path | None, typer.Option(metavar="FILE", help="Write down every request.")] = None,
    seed: SeedOption = 0,
) -> None:
    """A scripted server that speaks OpenAI's chat completions, for rehearsals and tests without an LLM."""
    from flows.stub.server import Options, serve

    serve(Options(port, answers, record, upstream, faults, limits, delay, obey, schemas, ledger, seed))


def vllm_stub(
    base: Annotated[Path, typer.Argument(metavar="FOLDER", help="The base model.")],
    name: Annotated[str, typer.Option("--served-model-name", metavar="NAME", help="Its folder if none.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0: any that is free.")] = 0,
    updating: Annotated[bool, typer.Option(help="Adapters may be loaded while it runs.")] = True,
    max_loras: Annotated[int, typer.Option(min=1, help="Adapters whose requests run at a time.")] = 1,
    max_cpu_loras: Annotated[int, typer.Option(min=1, help="Adapters in memory at most.")] = 4,
    max_lora_rank: Annotated[int, typer.Option(min=1, help="Rank of an adapter at most.")] = 16,
    load: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="That loading an adapter takes.")] = 0.0,
    token: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="That writing a token takes.")] = 0.0,
    api_key: Annotated[str, typer.Option(metavar="KEY", help="That requests must bring.")] = "",
) -> None:
    """A server that speaks vLLM's LoRA interface with a real small base on the CPU, for rehearsals without a GPU."""
    from flows.vllm_stub.server import Options, serve

    serve(Options(base, name, port, updating, max_loras, max_cpu_loras, max_lora_rank, load, token, api_key))
