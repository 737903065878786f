"""Hand submissions to a pool, a few at a time, and take back what comes of them.

A process that dies takes with it what it was judging, and perhaps what others were. Each of these
is judged again by itself: the one that does it once more has only itself to blame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from autograder.grading.pool import Judge, Pool
from autograder.paths import CourseError

ATTEMPTS = 2  # at a submission alone, before it counts as one that kills what judges it
AHEAD = 2  # submissions handed out for each that is judged: nobody waits for the next
TICK = 0.5  # seconds between two looks at whether to stop

Job = TypeVar("Job")


class Interrupted(Exception):  # noqa: N818 — no error: somebody wants it to stop
    """Somebody asked to stop."""


@dataclass(frozen=True)
class Lost:
    """No grade came back; `reason` says why, in words."""

    reason: str


def judged(
    jobs: Iterator[tuple[Job, Callable[[], Any]]],
    pool: Pool,
    judge: Judge,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Job, Any | Lost]]:
    """Each job with what `judge` gave for its task, as they come in.

    A job comes with a function that makes its task: what is judged later, or again, need not be
    kept. An exception of `judge` is a `Lost`; but a CourseError, which would come for every
    submission, is raised, and Interrupted once `stopping` says so.
    """
    pending: dict[Future[Any], tuple[Job, Callable[[], Any]]] = {}
    suspects: deque[tuple[Job, Callable[[], Any]]] = deque()
    while True:
        while not suspects and len(pending) < AHEAD * pool.slots:
            if stopping():
                raise Interrupted
            one = next(jobs, None)
            if one is None:
                break
            future = _submitted(pool, judge, one[1])
            if future is None:
                suspects.append(one)
            else:
                pending[future] = one
        if not pending and not suspects:
            return
        for future in _first(pending, pool, stopping) if pending else ():
            one = pending.pop(future)
            outcome = _outcome(future, pool)
            if outcome is None:
                suspects.append(one)
            else:
                yield one[0], outcome
        if suspects and not pending:
            pool.renew()
            while suspects:
                one = suspects.popleft()
                yield one[0], _alone(pool, judge, one[1], stopping)


def _submitted(pool: Pool, judge: Judge, make: Callable[[], Any]) -> Future[Any] | None:
    """The future of a task; None where a process was lost before it could be handed out."""
    task = make()
    try:
        return pool.submit(judge, task)
    except Exception as error:
        if pool.is_loss(error):
            return None
        raise


def _first(
    futures: dict[Future[Any], Any], pool: Pool, stopping: Callable[[], bool]
) -> list[Future[Any]]:
    """Those that are done, as soon as one is, in the order in which they were handed out."""
    while True:
        done, _ = wait(futures, timeout=TICK, return_when=FIRST_COMPLETED)
        if stopping():
            raise Interrupted
        if done:
            return [future for future in futures if future in done]
        pool.check()


def _outcome(future: Future[Any], pool: Pool) -> Any | Lost | None:
    """What came of a task; None where its process was lost."""
    try:
        return future.result()
    except CourseError:
        raise
    # CancelledError is no Exception in every version.
    except BaseException as error:
        if pool.is_loss(error):
            return None
        if not isinstance(error, Exception):
            raise
        return Lost(f"our fault: {type(error).__name__}: {error}")


def _alone(
    pool: Pool, judge: Judge, make: Callable[[], Any], stopping: Callable[[], bool]
) -> Any | Lost:
    """What comes of a task while no other runs."""
    for _ in range(ATTEMPTS):
        future = _submitted(pool, judge, make)
        if future is not None:
            _first({future: None}, pool, stopping)
            outcome = _outcome(future, pool)
            if outcome is not None:
                return outcome
        pool.renew()
    return Lost(f"the process that judged it was lost, {ATTEMPTS} times while it did nothing else")
