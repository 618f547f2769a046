"""Work that several hands share: the same results in the same order as of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from contextvars import copy_context
from functools import partial
from operator import length_hint
from typing import TypeVar

from flows.crews import Crew, Piecework, ProcessCrew
from flows.executors import BareExecutors
from flows.retrying import PATIENCE, Patience
from flows.working import collecting_rarely

Common = TypeVar("Common")
Job = TypeVar("Job")
Result = TypeVar("Result")

_AHEAD = 4
"""Jobs a hand that are handed out before the first of them is done."""


def spread(
    function: Callable[[Common, Job], Result],
    common: Common,
    jobs: Iterable[Job],
    hands: int,
    crew: Crew | None = None,
    patience: Patience = PATIENCE,
) -> Iterator[Result]:
    """`function(common, job)` of each job, in the jobs' order.

    Args:
        function: A function of a module, that depends on nothing but its arguments. Each process imports the module:
            what it doesn't need should not stand there.
        common: What all jobs read; each process reads it once, so it must be picklable, as jobs and results.
        jobs: The jobs; drawn as they can be done, so that they and what they give need not all be in memory.
        hands: Workers at most; one, or one job, is done in this process.
        patience: How often a job is tried whose worker was killed.
        crew: Who does them; where None, processes that are started now, and end with the last result.
    """
    hands = min(hands, length_hint(jobs, hands))
    if hands < 2:
        for job in jobs:
            with collecting_rarely():
                made = function(common, job)
            yield made
        return
    with ExitStack() as stack:
        if crew is None:
            crew = stack.enter_context(closing(ProcessCrew(BareExecutors(), hands)))
        do = stack.enter_context(crew.ready(Piecework(partial(function, common), function, common)))
        title, wait = function.__name__.strip("_").replace("_", " "), crew.stopped.wait

        def tried(job: Job) -> Result:
            return patience.tried(partial(do, title, job), wait=wait)

        yield from together(tried, jobs, hands, crew.stop)


def together(
    call: Callable[[Job], Result],
    jobs: Iterable[Job],
    hands: int,
    give_up: Callable[[], None],
    ahead: int = _AHEAD,
) -> Iterator[Result]:
    """`call(job)` of each job by several threads, in the jobs' order; few are ahead of the one that is waited for.

    Args:
        call: What is done; it may wait, as for another process.
        jobs: The jobs, drawn as they can be done.
        hands: Threads.
        give_up: Called where one fails, or nobody wants the rest: it has those end that are under way.
        ahead: Jobs a hand that are drawn before the first of them is done.
    """
    with ThreadPoolExecutor(hands, thread_name_prefix="driftune-hand") as threads:
        under_way: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                if len(under_way) >= ahead * hands:
                    yield under_way.popleft().result()
                under_way.append(threads.submit(copy_context().run, call, job))
            while under_way:
                yield under_way.popleft().result()
        except BaseException:
            if any(not each.done() for each in under_way):
                give_up()
                threads.shutdown(wait=False, cancel_futures=True)
            raise
