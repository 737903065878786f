"""Whatever is killed, and whatever has no room: after going on, everything is as if nothing was."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHAPTER = "ch99_sums"
NO_ROOM = 3  # the exit status of a run that says why it cannot go on


@pytest.fixture(scope="module")
def room(fake, tmp_path_factory):
    """A class in which ada was graded and has handed in anew; when bob did is known."""
    directory = tmp_path_factory.mktemp("loss") / "class"
    fake.make_class(directory)
    fake.hand_in(directory, "ada", "total 1", "mean 0.5")
    grade(directory)
    fake.hand_in(directory, "ada", "total 1", "mean 1")
    bob = fake.hand_in(directory, "bob", "total 1")
    (bob.parent / "timestamp.txt").write_text("2026-11-20 14:00:00 UTC")
    return directory


def run_python(*arguments):
    """What a Python program prints that finds the modules beside this one."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def grade(directory):
    """Grade a class without any disturbance."""
    code = "import sys, pathlib, loss_driver; loss_driver.grade(pathlib.Path(sys.argv[1]))"
    run_python("-c", code, directory)


@pytest.fixture(scope="module")
def rows(fake, room, tmp_path_factory):
    """What came of each disturbance: disturbance → rows."""
    work = tmp_path_factory.mktemp("work")
    printed = run_python("-m", "loss_driver", shutil.copytree(room, work / "class"), work)
    found = {"kill": [], "full": [], "database": []}
    for line in printed.splitlines():
        row = json.loads(line)
        found[row["what"]].append(row)
    return found


@pytest.mark.parametrize(
    ("what", "status", "least"),
    [
        # SIGKILL between any two steps of writing.
        ("kill", -signal.SIGKILL, 30),
        # Simulated: from some write on, the system says that there is no room.
        ("full", NO_ROOM, 10),
        # A limit of sqlite's own: as on a full disk it says "database or disk is full".
        ("database", NO_ROOM, 1),
    ],
)
def test_after_going_on_all_is_as_if_nothing_had_happened(rows, what, status, least):
    assert len(rows[what]) >= least
    assert {row["status"] for row in rows[what]} == {status}
    assert [row for row in rows[what] if not (row["equal"] and row["again"] == 0)] == []


def test_every_kind_of_step_was_reached_and_most_left_things_half_done(rows):
    steps = [row["at"] for row in rows["kill"]]
    assert "replace verdicts.jsonl" in steps
    for name in ("replace ada.json", "replace bob.json", f"replace {CHAPTER}.ipynb"):
        assert steps.count(name) == 2, name
    assert steps.count("after_commit") >= 2
    assert sum(row["torn"] for row in rows["kill"]) > 0.9 * len(steps)


def test_killed_as_a_whole_at_random_moments(fake, room, tmp_path):
    room = Path(shutil.copytree(room, tmp_path / "class"))
    for n in range(12):
        fake.hand_in(room, f"student{n:02}", f"total {n / 11}", "wait 0.1")
    expected = tmp_path / "expected"
    shutil.copytree(room, expected)
    grade(expected)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    import fake_class\n"
        "    from autograder.grading import batch\n"
        "    from autograder.grading.pool import LocalPool\n"
        "    request = batch.Request(fake_class.CHAPTER)\n"
        "    batch.grade_class(\n"
        "        Path(sys.argv[1]), request, lambda: LocalPool(2), judge=fake_class.judge\n"
        "    )\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    rng = random.Random(2026)
    records = room / "grading" / CHAPTER / "records"
    for enough in (rng.randrange(2, 5), rng.randrange(6, 10), None):
        process = subprocess.Popen(
            [sys.executable, script, room],
            env={**os.environ, "PYTHONPATH": str(HERE)},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while enough is not None and len(list(records.glob("*.json"))) < enough:
            assert process.poll() is None
            time.sleep(0.01)
        if enough is not None:
            time.sleep(rng.uniform(0, 0.2))
            os.killpg(process.pid, signal.SIGKILL)
        ended = process.wait()
        assert ended == (0 if enough is None else -signal.SIGKILL)
    assert fake.state(room) == fake.state(expected)
