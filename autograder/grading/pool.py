"""Where submissions are judged: processes of this machine, or a Dask cluster's.

A pool says how many it can take at once, gives out futures, tells a lost process from a submission
that fails, and starts again after a loss.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from autograder.grading.edition import edition
from autograder.paths import CourseError, UsageError

START_LIMIT = 60.0  # seconds for a cluster to answer
_ONE_AT_A_TIME = threading.Lock()

Judge = Callable[[Any], Any]


class Pool(Protocol):
    """What judges."""

    slots: int

    def submit(self, judge: Judge, task: Any) -> Future[Any]:
        """Have `task` judged."""

    def is_loss(self, error: BaseException) -> bool:
        """Whether `error` means that a process was lost, whoever's fault that is."""

    def check(self) -> None:
        """Raise CourseError where nothing can be judged any more."""

    def renew(self) -> None:
        """Start again after a loss; CourseError where that fails."""

    def close(self) -> None:
        """End what was started, whatever it does."""


class ExecutorPool:
    """Any executor: `make` starts one, again after a loss."""

    def __init__(self, make: Callable[[], Executor], slots: int = 1) -> None:
        self.slots = slots
        self._make = make
        self._executor = make()

    def submit(self, judge: Judge, task: Any) -> Future[Any]:
        """Have `task` judged."""
        return self._executor.submit(judge, task)

    def is_loss(self, error: BaseException) -> bool:
        """Whether `error` means that a process was lost."""
        return isinstance(error, BrokenExecutor | CancelledError)

    def check(self) -> None:
        """Nothing can go wrong here but a loss."""

    def renew(self) -> None:
        """Start another executor."""
        self.close()
        self._executor = self._make()

    def close(self) -> None:
        """End the executor."""
        self._executor.shutdown(wait=True, cancel_futures=True)


# ── this machine ────────────────────────────────────────────────────────────────────────────────


class LocalPool(ExecutorPool):
    """`jobs` processes of this machine, each an interpreter of its own."""

    def __init__(self, jobs: int) -> None:
        self._lifeline: Connection | None = None
        super().__init__(lambda: self._start(jobs), jobs)

    def _start(self, jobs: int) -> ProcessPoolExecutor:
        # Whoever starts this process of multiprocessing's lets Ctrl-C through: not amid a start.
        resource_tracker.ensure_running()
        ours, theirs = multiprocessing.Pipe()
        self._lifeline, self._theirs = ours, theirs
        return ProcessPoolExecutor(
            jobs,
            # Not forked: a worker has to end as a program does, and closes what it keeps warm.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(theirs,),
        )

    def submit(self, judge: Judge, task: Any) -> Future[Any]:
        """Have `task` judged, by a process that is started for it where none is idle."""
        # What is started here inherits this, until it can ignore Ctrl-C by itself.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(judge, task)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def renew(self) -> None:
        """Start other processes, and see that one of them lives."""
        super().renew()
        try:
            self.submit(_alive, None).result(START_LIMIT)
        except Exception as error:
            said = str(error) or type(error).__name__
            raise CourseError(f"no process that judges can be started: {said}") from None

    def close(self) -> None:
        """End the processes at once."""
        if self._lifeline is not None:
            self._lifeline.close()
            self._theirs.close()
            # Not before they are gone: an executor that is told to stop while a large task is on
            # its way to processes that no longer read waits for ever.
            for process in multiprocessing.active_children():
                process.join(START_LIMIT)
        super().close()


def _start_worker(lifeline: Connection) -> None:
    # Ctrl-C goes to every process of a terminal: the main one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """End this process once the other end of `lifeline` is closed: by whom, or by what, is one."""
    try:
        wait([lifeline])
        # Perhaps it is only being imported: then it keeps nothing yet.
        close = getattr(sys.modules.get("autograder.grading.engine"), "close", None)
        if close is not None:
            close()
    finally:
        os._exit(1)


def _alive(_: object) -> bool:
    return True


# ── a cluster ───────────────────────────────────────────────────────────────────────────────────


class Cluster:
    """The workers of the Dask scheduler at `address`."""

    def __init__(self, address: str) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise CourseError(
                "--scheduler needs the package distributed: pip install 'cnn-course[cluster]'"
            )
        distributed: Any = importlib.import_module("distributed")
        self.address = address
        try:
            self._client = distributed.Client(
                address, timeout=START_LIMIT / 4, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise CourseError(f"no Dask scheduler answers at {address}: {_first(error)}") from None
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=START_LIMIT / 4)
        except TimeoutError:
            raise CourseError(
                f"the scheduler at {self.address} has no workers: start some with "
                f"`dask worker {self.address} --nthreads 1`"
            ) from None
        try:
            editions = self._client.run(edition)
        except Exception as error:
            raise CourseError(
                f"a worker of {self.address} does not have this course: {_first(error)}"
            ) from None
        others = sorted(worker for worker, found in editions.items() if found != edition())
        if others:
            raise UsageError(
                f"the worker {others[0]} has another edition of this course: "
                "install the same on all machines"
            )
        self.slots = len(editions)
        # Not "pure": each call counts, and nothing is looked up by its content.
        self._executor = self._client.get_executor(pure=False)

    def submit(self, judge: Judge, task: Any) -> Future[Any]:
        """Have `task` judged by some worker."""
        self.check()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")
            future: Future[Any] = self._executor.submit(one_at_a_time, judge, task)
        return future

    def is_loss(self, error: BaseException) -> bool:
        """Whether `error` means that workers were lost: again and again, or the scheduler."""
        killed = importlib.import_module("distributed.scheduler").KilledWorker
        return isinstance(error, killed | CancelledError)

    def check(self) -> None:
        """Raise CourseError once the scheduler is gone."""
        if self._client.status != "running":
            raise CourseError(f"the scheduler at {self.address} is gone")

    def renew(self) -> None:
        """The scheduler sees to its workers."""
        self.check()

    def close(self) -> None:
        """Leave the cluster as it was found."""
        self._client.close(timeout=5)


def one_at_a_time(judge: Judge, task: Any) -> Any:
    """Judge in a worker that may have several threads: a sandbox takes one submission at a time."""
    with _ONE_AT_A_TIME:
        return judge(task)


def _first(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
