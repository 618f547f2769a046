"""Every error driftune raises on purpose, one class a boundary.

DriftuneError
├── ConfigurationError     the user's: option, domain file, SQL, unknown id, name or version   (exit 2)
│   └── LockedError        another run holds the domain                                        (exit 2)
├── BudgetError            what a night may cost is used up: the rest is left to the next        (exit 3)
├── GuardError             a run would remove much of what there was: a person must say so         (exit 1)
├── StuckError             a run that got no further, or a stage that took too long, and was ended
├── SourceError            a documentation source or package index
├── WebError               an address of the web that can't be read, or may not be
├── GeneratorError         a generator of examples
├── SandboxError           the sandbox or an environment
├── WorkerError            a worker that pieces of a run are handed to is gone
├── TrainingError          a base model, a training run, an evaluation
│   └── NoRowsError        a training without rows: of a run that is a decision, and no failure
└── RegistryError          the lake, the store of adapters
    ├── WrongBaseError     an adapter offered to a base it was not made for
    └── TrustError         what a registry holds isn't what somebody who is trusted put there, or no adapter at all

Messages have one form: capital first, no final period; they name the value, list what is accepted and say what to do.
"""

from __future__ import annotations

from typing import Any


class DriftuneError(Exception):
    """The root: one clear line for a person, the offending values for a program.

    Args:
        message: What is wrong, where, and what to do, in one line.
        **values: The offending values, kept as `values`.

    Attributes:
        retryable: Whether trying the same again can help (Prefect's retry policy reads it).
        exit_code: What the command line exits with.
    """

    retryable = False
    exit_code = 1

    def __init__(self, message: str, /, *, retryable: bool | None = None, **values: Any) -> None:
        super().__init__(message)
        self.values = values
        if retryable is not None:
            self.retryable = retryable


class ConfigurationError(DriftuneError):
    """The user's error: an option, a domain file, a name, a version."""

    exit_code = 2


class LockedError(ConfigurationError):
    """Another run holds what this one needs."""


class BudgetError(DriftuneError):
    """What may be spent is spent; what is done is done, and the rest is for another time."""

    exit_code = 3


class GuardError(DriftuneError):
    """A run would remove much of what there was; it has stopped, and a person must say that it may."""


class StuckError(DriftuneError):
    """A run got no further, or one of its stages took longer than it may: it was ended, so that the next goes on."""


class SourceError(DriftuneError):
    """A documentation source or a package index failed."""


class WebError(DriftuneError):
    """An address of the web can't be read, or may not be: `values["outcome"]` says which, as an Answer's does."""


class GeneratorError(DriftuneError):
    """A generator of examples failed as a whole (a rejected row is no error)."""


class SandboxError(DriftuneError):
    """No wall, a broken environment, or a harness that fails by itself."""


class WorkerError(DriftuneError):
    """A worker that pieces of a run are handed to is gone, or can't be used."""

    retryable = True


class TrainingError(DriftuneError):
    """A base that can't be made, a training run that diverged, an evaluation that can't be done."""


class NoRowsError(TrainingError):
    """There is nothing to train on. A release may change no call: a run ends undecided by it."""


class RegistryError(DriftuneError):
    """The lake or the store of adapters can't be read or written."""


class WrongBaseError(RegistryError):
    """An adapter was offered to a base model it was not made for."""


class TrustError(RegistryError):
    """A registry offers what nobody who is trusted vouches for, or what is no adapter: `values["fault"]` names it."""
