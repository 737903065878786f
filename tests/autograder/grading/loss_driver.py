"""Grade a class many times over, ended at every step of writing in turn, and go on from there.

    python loss_driver.py CLASS WORK

Prints one JSON object a line: by what the run was disturbed, at which step, how it ended, and
whether what there is after going on equals what an undisturbed run leaves. Each run is a process of
its own, forked from this one, which has imported everything.
"""

import errno
import json
import os
import shutil
import signal
import sys
import traceback
from concurrent.futures import Executor, Future
from pathlib import Path

import fake_class
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from autograder.grading import batch
from autograder.grading.pool import ExecutorPool
from autograder.paths import CourseError

STRIDE = {"kill": 1, "full": 2, "database": 3}
STOPPED = 3  # the exit status of a run that says why it cannot go on


class Here(Executor):
    """Judges in this process, at once."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def grade(directory):
    """One undisturbed run."""
    request = batch.Request(fake_class.CHAPTER)
    batch.grade_class(directory, request, lambda: ExecutorPool(Here), judge=fake_class.judge)


def in_child(action, *args):
    """The exit status of `action` in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            action(*args)
            status = 0
        except CourseError:
            status = STOPPED
        except BaseException:
            traceback.print_exc()
            status = 4
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def disturbed(directory, step, what, log):
    """A run in which the write number `step` is the last, or the first that finds no room."""
    count = 0

    def reach(name):
        nonlocal count
        count += 1
        if count == step:
            log.write_text(name)
        if count >= step and what == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if count == step and what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(name, number):
        own = getattr(os, name)

        def call(*args, **kwargs):
            if name != "open" or args[1] & os.O_CREAT:
                reach(f"{name} {Path(str(args[number])).name}")
            return own(*args, **kwargs)

        setattr(os, name, call)

    watched("open", 0)
    watched("fsync", 0)
    watched("replace", 1)
    if what == "kill":
        for name in ("before_commit", "after_commit"):
            event.listen(Session, name, lambda *_, name=name: reach(name))
    grade(directory)


def small_database(directory, pages):
    """A run whose gradebook can grow by `pages` only: then sqlite finds no room."""

    def limit(connection, _):
        (now,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {now + pages}")

    event.listen(Engine, "connect", limit)
    grade(directory)


def main(template, work):
    for what in ("kill", "full"):
        disturb(what, template, work)
    for n in range(40):  # so many that the gradebook has to grow
        fake_class.hand_in(template, f"student{n:02}", "total 1")
    disturb("database", template, work)


def disturb(what, template, work):
    directory, log = work / "disturbed", work / "log"
    shutil.copytree(template, directory)
    assert in_child(grade, directory) == 0
    expected = fake_class.state(directory)
    shutil.rmtree(directory)
    for step in range(0, 1000, STRIDE[what]):
        shutil.copytree(template, directory)
        log.write_text("")
        if what == "database":
            status = in_child(small_database, directory, step)
        else:
            status = in_child(disturbed, directory, step + 1, what, log)
        if status != 0:
            torn = fake_class.state(directory) != expected
            again = in_child(grade, directory)
            equal = fake_class.state(directory) == expected
            row = {"what": what, "at": log.read_text(), "status": status, "torn": torn}
            print(json.dumps({**row, "again": again, "equal": equal}), flush=True)
        shutil.rmtree(directory)
        if status == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
