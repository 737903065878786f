"""Behind the wall there is nothing of the host, and nothing of the job before."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autograder
from autograder.paths import CourseError
from autograder.sandbox import bubblewrap
from autograder.sandbox.bubblewrap import Sandbox, View
from autograder.sandbox.limits import Limits
from autograder.sandbox.worker import Outcome, Worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap exists on Linux only")
MIB = 2**20
PARTS = ("exercise", "plain", "pristine", "probe")
CALL = {"args": (), "kwargs": {}, "inputs": (), "train": False, "measure": "output",
        "count_steps": False}  # fmt: skip


def own_view(place: Path) -> View:
    """Only what runs beside a learner's code, so that nothing else is imported here."""
    ours = Path(autograder.__file__).parent
    packages = place / "packages"
    shutil.copytree(ours / "sandbox", packages / "autograder" / "sandbox")
    for name in ("__init__", *PARTS):
        shutil.copy(ours / f"{name}.py", packages / "autograder")
    return View(packages)


def run(worker: Worker, source: str, seconds: float = 5.0) -> Outcome:
    """Run a cell that leaves its findings in ``answers``."""
    probe = {"name": "q", "kind": "question", "variable": "answers", "calls": [CALL],
             "forbidden": [], "time_limit": 5.0}  # fmt: skip
    cell = {"cell": "c", "source": source, "seconds": seconds}
    return worker.run([cell, {"exercise": "q", "probe": probe, "seconds": 5.0}])


def ask(worker: Worker, source: str) -> Any:
    """What a cell finds out."""
    outcome = run(worker, source)
    assert outcome.ending == "done", outcome
    (observation,) = outcome.frames[-1]["observations"]
    return observation["value"]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(sandbox=Sandbox(own_view, Limits(memory=400 * MIB))) as one:
        yield one


def test_a_job_has_no_rights(worker: Worker) -> None:
    status = ask(worker, "answers = open('/proc/self/status').read()")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[kind], 16) == 0, kind
    assert fields["NoNewPrivs"] == "1"
    assert set(fields["Uid"].split()) == {"1000"}
    assert set(fields["Groups"].split()) <= {"1000", "65534"}


def test_a_job_sees_nothing_of_the_host(worker: Worker, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a mark")
    os.environ["COURSE_TEST_SECRET"] = "a seed"
    repository = str(Path(autograder.__file__).resolve().parents[1] / "solutions")
    try:
        found = ask(
            worker,
            "import os, socket, glob\n"
            f"there = [os.path.exists(p) for p in ({str(secret)!r}, {repository!r}, '/home')]\n"
            "names = [name for _, name in socket.if_nameindex()]\n"
            "processes = [name for name in os.listdir('/proc') if name.isdigit()]\n"
            "host = [os.path.exists(p) for p in ('/etc/shadow', '/var', '/run', '/sys')]\n"
            "answers = (there, names, processes, dict(os.environ), host, socket.gethostname())",
        )
    finally:
        del os.environ["COURSE_TEST_SECRET"]
    there, names, processes, environment, host, name = found
    assert name == "sandbox"
    assert not any(there)
    assert names == ["lo"]
    assert processes == ["1", "2"]
    assert "COURSE_TEST_SECRET" not in environment
    assert not any(host)


FAILS = {
    "a namespace": "import ctypes; r = ctypes.CDLL(None).unshare(0x10000000)",
    "a mount": "import ctypes; r = ctypes.CDLL(None).mount(b't', b'/tmp', b'tmpfs', 0, None)",
    "another user": "import os\ntry: os.setuid(0); r = 0\nexcept OSError: r = -1",
    "the first process": "import os\ntry: os.kill(1, 9)\nexcept OSError: pass\n"
    "r = -1 if os.path.exists('/proc/1') else 0",
    "its memory": "try: open('/proc/1/mem', 'rb'); r = 0\nexcept OSError: r = -1",
    "what is installed": "import numpy\ntry: open(numpy.__file__, 'a'); r = 0\n"
    "except OSError: r = -1",
    "the course's packages": "import autograder\ntry: open(autograder.__file__, 'a'); r = 0\n"
    "except OSError: r = -1",
    "the root of all files": "try: open('/x', 'w'); r = 0\nexcept OSError: r = -1",
    "the devices": "try: open('/dev/x', 'w'); r = 0\nexcept OSError: r = -1",
    "the network": "import socket\ns = socket.socket(); s.settimeout(1)\n"
    "try: s.connect(('192.0.2.1', 80)); r = 0\nexcept OSError: r = -1",
    "a terminal": "try: open('/dev/tty', 'w'); r = 0\nexcept OSError: r = -1",
}


@pytest.mark.parametrize("what", FAILS)
def test_a_job_cannot_reach(worker: Worker, what: str) -> None:
    assert ask(worker, f"{FAILS[what]}\nanswers = r") == -1


def test_a_job_leaves_nothing_for_the_next(worker: Worker) -> None:
    left = ask(
        worker,
        "import os, socket, subprocess, sys, ctypes\n"
        "for place in ('/tmp', '/dev/shm'):\n"
        "    open(f'{place}/note', 'w').write('answers')\n"
        "ctypes.CDLL(None).shmget(7, 4096, 0o1666)\n"
        "code = 'import time; time.sleep(60)'\n"
        "subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
        "answers = [os.path.exists(f'{p}/note') for p in ('/tmp', '/dev/shm')]",
    )
    assert left == [True, True]
    files, processes, memory = ask(
        worker,
        "import os, ctypes\n"
        "files = [os.path.exists(f'{p}/note') for p in ('/tmp', '/dev/shm')]\n"
        "processes = [name for name in os.listdir('/proc') if name.isdigit()]\n"
        "answers = (files, processes, ctypes.CDLL(None).shmget(7, 4096, 0))",
    )
    assert files == [False, False]
    assert processes == ["1", "2"]
    assert memory == -1


def test_how_a_job_ended_is_told(worker: Worker) -> None:
    assert run(worker, "import os\nos._exit(3)").status == 3
    assert run(worker, "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)").status == -11
    stuck = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
    assert run(worker, stuck + "while True: pass", seconds=0.2).ending == "time"


GREEDY = """\
import subprocess, sys
code = "b = []\\nwhile True: b.append(bytearray(10**7))"
for p in [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]:
    p.wait()
import os
os._exit(9)
"""
BUSY = """\
import os
for _ in range(2):
    os.fork()
while True:
    pass
"""


def test_processes_share_one_limit_of_memory(worker: Worker) -> None:
    if "memory" in worker.sandbox._group.missing:  # type: ignore[union-attr]
        pytest.skip("this machine lends no control group: the watch is tested below")
    assert run(worker, GREEDY).ending == "memory"
    assert ask(worker, "answers = 1") == 1


def test_processes_are_counted(worker: Worker) -> None:
    started, failed = ask(
        worker,
        "import os, time\nn = 0\n"
        "try:\n"
        "    while n < 500:\n"
        "        if not os.fork():\n"
        "            time.sleep(60)\n"
        "        n += 1\n"
        "    failed = False\n"
        "except OSError:\n    failed = True\n"
        "answers = (n, failed)",
    )
    assert failed
    assert started < 100
    assert ask(worker, "answers = 1") == 1


def test_a_disk_is_small(worker: Worker) -> None:
    written = ask(
        worker,
        "n = 0\n"
        "try:\n"
        "    for i in range(64):\n"
        "        with open(f'/tmp/{i}', 'wb') as f:\n"
        "            f.write(bytes(2**23))\n"
        "        n += 2**23\n"
        "except OSError:\n    pass\n"
        "answers = n",
    )
    assert 0 < written <= 256 * MIB


def test_without_control_groups_a_watch_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.sandbox.limits._CGROUPS", Path("/nowhere"))
    monkeypatch.setattr("autograder.sandbox.limits._places", lambda own, root: {})
    sandbox = Sandbox(own_view, Limits(memory=200 * MIB, processors=0.0))
    assert [text.split()[0] for text in sandbox.unlimited] == ["memory", "the", "processor"]
    with Worker(sandbox=sandbox) as watched:
        assert ask(watched, "answers = 1") == 1
        assert run(watched, GREEDY).ending == "memory"
        assert run(watched, BUSY, seconds=60.0).ending == "cpu"
        assert ask(watched, "answers = 2") == 2


def test_where_namespaces_do_not_nest_each_job_has_a_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bubblewrap, "_can_nest", lambda: False)
    sandbox = Sandbox(own_view)
    assert not sandbox.reusable
    assert any("warm" in text for text in sandbox.unlimited)
    with Worker(sandbox=sandbox) as one:
        assert ask(one, "open('/tmp/note', 'w').write('x')\nanswers = 1") == 1
        uid, there = ask(one, "import os\nanswers = (os.getuid(), os.path.exists('/tmp/note'))")
    assert uid != 0
    assert there is False


def test_a_sandbox_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError, match="install the package bubblewrap"):
        Sandbox(own_view)
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: no permission' >&2; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(CourseError, match=r"it fails \(bwrap: no permission\)"):
        Sandbox(own_view)
