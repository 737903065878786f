"""Control groups of both versions get the limits; what they lack is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.sandbox.limits import Group, Limits, cpu_seconds, descendants, memory

LIMITS = Limits(memory=1000, processes=7, processors=0.5)
OWN = "4:memory:/a/b\n8:pids:/\n2:cpu,cpuacct:/\n0::/\n"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A tree of version 1; a group's files appear when they are written."""
    for path in ("memory/a/b", "pids", "cpu"):
        (tmp_path / path).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A tree of version 2."""
    (tmp_path / "user" / "here").mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    return tmp_path


def settings(place: Path) -> dict[str, str]:
    return {
        file.name: file.read_text() for group in place.glob("cnn-*") for file in group.iterdir()
    }


def test_version_one(first: Path) -> None:
    group = Group(LIMITS, first, OWN)
    assert group.missing == ()
    assert settings(first / "memory/a/b") == {"memory.limit_in_bytes": "1000"}
    assert settings(first / "pids") == {"pids.max": "7"}
    quota = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}
    assert settings(first / "cpu") == quota
    assert len(group.entrances) == 3
    assert group.killed() == 0
    (group.entrances[0].parent / "memory.oom_control").write_text("under_oom 0\noom_kill 3\n")
    assert group.killed() == 3


def test_version_two_is_one_tree(second: Path) -> None:
    group = Group(LIMITS, second, "0::/user/here\n")
    assert group.missing == ()
    # Beside the group of this process: one that holds processes hands nothing down.
    found = settings(second / "user")
    assert found == {"memory.max": "1000", "pids.max": "7", "cpu.max": "50000 100000"}
    assert len(group.entrances) == 1
    (group.entrances[0].parent / "memory.events").write_text("oom 4\noom_kill 2\n")
    assert group.killed() == 2


def test_what_is_not_lent_is_missing(first: Path) -> None:
    (first / "pids").rmdir()
    assert Group(LIMITS, first, OWN).missing == ("pids",)
    assert Group(LIMITS, first / "none", "").missing == ("memory", "pids", "cpu")
    assert Group(LIMITS, first / "none", "").killed() == 0


def test_empty_groups_are_removed(first: Path) -> None:
    group = Group(LIMITS, first, OWN)
    for entrance in group.entrances:  # the kernel's files go with their directory
        for file in entrance.parent.iterdir():
            file.unlink()
    group.close()
    assert not list(first.rglob("cnn-*"))


def test_groups_of_processes_that_were_killed_are_removed(first: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, used = first / "pids" / f"cnn-course-{ended.pid}-1", first / "pids" / "cnn-course-1-1"
    left.mkdir()
    used.mkdir()
    Group(LIMITS, first, OWN)
    assert not left.exists()
    assert used.exists()


def test_descendants_are_found_and_weighed() -> None:
    code = (
        "import os, sys, time\nb = bytearray(50 * 2**20)\nb[::4096] = b'x' * len(b[::4096])\n"
        "os.fork()\nt = time.process_time()\nwhile time.process_time() < t + 0.2: pass\n"
        "os.write(1, b'ready\\n')\ntime.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == child.stdout.readline() == b"ready\n"
        below = list(descendants(child.pid))
        assert len(below) == 1
        assert memory(child.pid) > 50 * 2**20
        assert memory(below[0]) < 10 * memory(child.pid)
        assert 0.35 < cpu_seconds(child.pid) < 5
        os.kill(below[0], 9)
    finally:
        child.kill()
        child.communicate()
    assert memory(child.pid) == 0
