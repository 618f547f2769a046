"""The endpoint of a domain's LLM: what must hold before it is asked, and what is there."""

from __future__ import annotations

import asyncio

from registry.domain import LlmSpec
from registry.errors import ConfigurationError
from synth.written import writers

LOOK_S = 5
"""Seconds for which `doctor` waits for an endpoint's list of models."""

SHOWN = 5
"""Models that are named where the domain's isn't among them."""


def check_llm(spec: LlmSpec) -> None:
    """Checks what can be checked without asking.

    Raises:
        ConfigurationError: A writer isn't known, or there is no address or no key.
    """
    from synth.endpoint import Endpoint  # imports openai

    known = writers.names()
    unknown = [name for name in spec.writers if name not in known]
    if unknown:
        raise ConfigurationError(
            f"No writer {', '.join(map(repr, unknown))}: there are {', '.join(known)}. Mend [llm] writers"
        )
    asyncio.run(Endpoint(spec).close())


def models_of(spec: LlmSpec) -> list[str]:
    """The models that an endpoint lists; asking for them costs nothing.

    Raises:
        ConfigurationError: It has no address or no key, or doesn't answer; one line says why.
    """
    from synth.endpoint import Endpoint

    async def ask() -> list[str]:
        endpoint = Endpoint(spec)
        try:
            listed = await asyncio.wait_for(endpoint.client.models.list(), LOOK_S)
            return [str(model.id) for model in listed.data]
        finally:
            await endpoint.close()

    try:
        return asyncio.run(ask())
    except ConfigurationError:
        raise
    except TimeoutError as error:
        raise ConfigurationError(f"It doesn't list its models within {LOOK_S} s") from error
    except Exception as error:  # whatever a server may answer
        said = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"It doesn't list its models: {said or type(error).__name__}") from error


def missing_model(spec: LlmSpec, models: list[str]) -> str:
    """What is wrong where an endpoint lists models, and not the domain's; empty where nothing is."""
    if not models or spec.model in models:
        return ""
    more = f" … ({len(models)})" if len(models) > SHOWN else ""
    return f"It has no model {spec.model!r}, but {', '.join(models[:SHOWN])}{more}"
