"""A Dask cluster grades as this machine does, and what is lost of it is not lost for the class."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.grading import pool
from autograder.grading.batch import Request, grade_class
from autograder.grading.pool import Cluster, LocalPool
from autograder.paths import CourseError

HERE = Path(__file__).parent
CHAPTER = "ch99_sums"


class Processes:
    """Dask's own programs, on this machine alone."""

    def __init__(self, place):
        self.place = place
        self.all = []

    def start(self, program, *arguments):
        """Start `dask scheduler` or `dask worker`; what it says, once it is ready."""
        log = self.place / f"log{len(self.all)}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments],
                env={
                    **os.environ,
                    "PYTHONPATH": str(HERE),
                    "DASK_TEMPORARY_DIRECTORY": str(self.place),
                },
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
        self.all.append(process)
        for _ in range(1200):
            said = log.read_text()
            if re.search("Scheduler at:|Registered to:", said):
                return process, said
            assert process.poll() is None, said
            time.sleep(0.05)
        raise AssertionError(f"not ready after a minute: {said}")

    def scheduler(self):
        """Start a scheduler; the process and its address."""
        process, said = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
        )
        return process, re.search(r"Scheduler at: +(tcp://\S+)", said)[1]

    def worker(self, address):
        """Start a worker, ready to work."""
        arguments = ["--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        return self.start("worker", address, *arguments)[0]

    def end(self):
        """End those that were started, and no other."""
        for process in self.all:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path):
    """Dask's programs, ended when the test is."""
    running = Processes(tmp_path)
    yield running
    running.end()


@pytest.fixture(scope="module")
def empty(fake, tmp_path_factory):
    """A class in which nobody has handed in anything."""
    directory = tmp_path_factory.mktemp("cluster") / "class"
    fake.make_class(directory)
    return directory


@pytest.fixture
def room(fake, empty, tmp_path, monkeypatch):
    """A class of eight, on machines that all have the same edition of the course."""
    monkeypatch.setattr(pool, "edition", fake.edition)
    directory = Path(shutil.copytree(empty, tmp_path / "class"))
    for n in range(8):
        fake.hand_in(directory, f"student{n}", f"total {n / 7}", "mean 1", "wait 0.1")
    return directory


def test_a_cluster_gives_what_this_machine_gives_also_when_a_worker_is_lost(
    fake, room, processes, tmp_path
):
    here = Path(shutil.copytree(room, tmp_path / "here"))
    grade_class(here, Request(CHAPTER), lambda: LocalPool(2), judge=fake.judge)
    _, address = processes.scheduler()
    workers = [processes.worker(address) for _ in range(2)]
    # One takes a submission that outlives it.
    sign = tmp_path / "sign"
    fake.hand_in(room, "student2", f"die until {sign}", "total 1")
    fake.hand_in(here, "student2", f"die until {sign}", "total 1")
    tally = grade_class(room, Request(CHAPTER), lambda: Cluster(address), judge=fake.judge)
    assert tally.graded == 8
    assert sum(process.poll() == -signal.SIGKILL for process in workers) == 1
    grade_class(here, Request(CHAPTER), lambda: LocalPool(1), judge=fake.judge)
    there, expected = fake.state(room), fake.state(here)
    assert there == expected
    name = f"grading/{CHAPTER}/verdicts.jsonl"
    assert there["files"][name].count(b"\n") == 8


def test_a_scheduler_that_is_lost_ends_the_run_and_another_goes_on(fake, room, processes):
    scheduler, address = processes.scheduler()
    processes.worker(address)
    fake.hand_in(room, "student5", "wait 300")
    graded = []

    def enter(grade, timestamp):
        graded.append(grade.student)
        if len(graded) == 3:
            scheduler.kill()

    with pytest.raises(CourseError, match="is gone\nrun the same command again to go on"):
        grade_class(room, Request(CHAPTER), lambda: Cluster(address), judge=fake.judge, enter=enter)
    assert 3 <= len(graded) < 8
    fake.hand_in(room, "student5", "total 1")
    tally = grade_class(room, Request(CHAPTER), lambda: LocalPool(1), judge=fake.judge)
    assert tally.before == len(graded)
    assert tally.before + tally.graded == 8


def test_what_cannot_grade_is_named(fake, processes, monkeypatch):
    monkeypatch.setattr(pool, "START_LIMIT", 4)
    with pytest.raises(CourseError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        Cluster("tcp://127.0.0.1:9")
    with pytest.raises(CourseError, match="no Dask scheduler answers at nonsense://here"):
        Cluster("nonsense://here")
    _, address = processes.scheduler()
    with pytest.raises(CourseError, match="has no workers: start some with `dask worker tcp:"):
        Cluster(address)
    processes.worker(address)
    monkeypatch.setattr(pool, "edition", fake.other_edition)
    with pytest.raises(CourseError, match="has another edition of this course"):
        Cluster(address)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CourseError, match=r"pip install 'cnn-course\[cluster\]'"):
        Cluster(address)
