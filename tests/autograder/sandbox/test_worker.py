"""A worker comes back from every job, and believes nothing that it cannot check."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import plain, probe
from autograder.exercise import Aspect, Case, FunctionExercise
from autograder.probe import Observation
from autograder.sandbox import worker
from autograder.sandbox.worker import Outcome, Worker, WorkerError

TWICE = FunctionExercise(
    name="twice",
    chapter="99",
    signature="twice(x) -> int",
    aspects=(Aspect("all", 1),),
    worked=(Case("all", (2,)), Case("all", (np.arange(3),))),
    reference=lambda x: 2 * x,
    forbidden=("numpy.add",),
)
ASK = probe.request(TWICE, TWICE.draw(0)).to_plain()
STUBBORN = """\
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
while True:
    pass
"""
GOOD = "def twice(x):\n    return 2 * x\n"


def steps(*sources: str, seconds: float = 5.0) -> list[dict[str, Any]]:
    cells = [
        {"cell": f"c{i}", "source": source, "seconds": seconds} for i, source in enumerate(sources)
    ]
    return [*cells, {"exercise": "twice", "probe": ASK, "seconds": seconds}]


@pytest.fixture(scope="module", params=[True, False], ids=["forked", "fresh"])
def running(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with Worker(fork=request.param) as one:
        yield one


def values(outcome: Outcome) -> list[Any]:
    frame = outcome.frames[-1]
    return [observation.value for observation in worker.frame_observations(frame, ASK)]


def test_a_job_comes_back_with_what_was_observed(running: Worker) -> None:
    outcome = running.run(steps("y = 2", "def twice(x):\n    return y * x\n"))
    assert outcome.ending == "done"
    assert [frame.get("status") for frame in outcome.frames] == ["ok", "ok", None]
    four, array = values(outcome)
    assert four == 4
    assert array.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("source", "ending", "status"),
    [
        ("import os; os._exit(7)", "died", 7),
        ("import ctypes; ctypes.string_at(0)", "died", -11),
        (STUBBORN, "time", None),
        ("import os; os.closerange(3, 99)", "died", 70),
        ("import sys; sys.modules.clear(); del sys.modules", "broken", None),
    ],
)
def test_every_ending_is_told_and_harms_no_other_job(
    running: Worker, source: str, ending: str, status: int | None
) -> None:
    outcome = running.run(steps(source, seconds=0.5))
    assert (outcome.ending, outcome.status) == (ending, status)
    assert running.run(steps(GOOD)).ending == "done"


def test_jobs_see_nothing_of_each_other(running: Worker) -> None:
    first = running.run(
        steps(
            "import builtins, os, sys, numpy\nbuiltins.left = numpy.left = sys.left = 1\n"
            "os.environ['LEFT'] = '1'\nopen('left', 'w').close()\n" + GOOD
        )
    )
    second = running.run(
        steps(
            "import builtins, os, sys, numpy\n"
            "assert not any(hasattr(m, 'left') for m in (builtins, numpy, sys))\n"
            "assert 'LEFT' not in os.environ\nassert os.listdir() == []\n" + GOOD
        )
    )
    assert first.ending == second.ending == "done"
    assert second.frames[0]["status"] == "ok", second.frames[0]


def test_a_job_has_a_limit_for_all_its_steps(running: Worker) -> None:
    outcome = running.run(steps("while True: pass", GOOD), seconds=0.5)
    assert outcome.ending == "done"
    assert outcome.frames[0]["status"] == "time"
    assert outcome.frames[-1] == {"exercise": "twice", "late": True}


def test_the_childs_environment_holds_no_secret_of_the_course(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COURSE_SEED", "12345")
    with Worker() as one:
        outcome = one.run(steps("import os\nassert 'COURSE_SEED' not in os.environ\n" + GOOD))
    assert outcome.frames[0]["status"] == "ok"


def test_memory_has_a_limit(running: Worker) -> None:
    eats = "parts = []\nwhile True:\n    parts.append(bytearray(10**7))"
    outcome = running.run(steps(eats, GOOD), memory=2**28)
    assert outcome.frames[0]["status"] == "memory"


def test_directories_of_jobs_are_removed() -> None:
    with Worker() as one:
        one.run(steps("import os\nos.mkdir('a')\nos.mkdir('a/b')\n" + GOOD))
        place = one._place
        assert [path.name for path in place.iterdir() if path.is_dir()] == []
    assert not place.exists()


def test_a_child_that_cannot_start_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        worker, "_command", lambda *arguments: [worker.sys.executable, "-c", "import missing_one"]
    )
    with Worker() as one, pytest.raises(WorkerError, match="missing_one"):
        one.run(steps(GOOD))
    with Worker(fork=False) as one:
        assert one.run(steps(GOOD)).ending == "unready"


def test_a_closed_worker_starts_nothing() -> None:
    one = Worker()
    one.close()
    with pytest.raises((WorkerError, OSError)):
        one.run(steps(GOOD))


def test_slow_imports_are_paid_once_and_only_where_they_are_wanted() -> None:
    asks = "import sys\nassert ('scipy.signal' in sys.modules) == WANTED\n"
    with Worker() as one:
        first = one.run(steps(asks.replace("WANTED", "False")))
        second = one.run(steps(asks.replace("WANTED", "True") + "import scipy.signal"))
        third = one.run(steps(asks.replace("WANTED", "True")))
    assert [o.frames[0]["status"] for o in (first, second, third)] == ["ok"] * 3


# ── what a child sends ──────────────────────────────────────────────────────────────────────────

CELL, PROBE = steps(GOOD)
OBSERVED = [Observation("ok", value=1).to_plain()] * 2


def test_an_honest_frame_is_taken() -> None:
    worker.check_frame({"cell": "c0", "status": "ok", "trouble": None}, CELL)
    worker.check_frame({"exercise": "twice", "observations": OBSERVED}, PROBE)
    worker.check_frame({"exercise": "twice", "missing": ["a"]}, PROBE)
    assert worker.decode(plain.pack({"a": np.arange(3)}))["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("frame", "step"),
    [
        ({}, CELL),
        ({"cell": "c1", "status": "ok"}, CELL),
        ({"cell": "c0", "status": "pass"}, CELL),
        ({"cell": "c0", "status": "raised", "trouble": 3}, CELL),
        ({"cell": "c0", "status": "raised", "trouble": {"type": "E"}}, CELL),
        (
            {
                "cell": "c0",
                "status": "raised",
                "trouble": {"type": 1, "bases": (), "text": "", "lines": ()},
            },
            CELL,
        ),
        ({"exercise": "other", "observations": OBSERVED}, PROBE),
        ({"exercise": "twice", "observations": OBSERVED * 2}, PROBE),
        ({"exercise": "twice", "observations": [1, 2]}, PROBE),
        ({"exercise": "twice", "observations": [{"status": "right"}] * 2}, PROBE),
        ({"exercise": "twice", "missing": [3]}, PROBE),
        ({"exercise": "twice", "too_large": "much"}, PROBE),
        ({"exercise": "twice", "score": 1.0}, PROBE),
    ],
)
def test_a_frame_that_is_no_answer_is_refused(frame: dict[str, Any], step: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        worker.check_frame(frame, step)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        b"\xff" * 40,
        struct.pack(">Q", 4) + b"null",
        struct.pack(">Q", 9) + b"[1, 2, 3]",
        struct.pack(">Q", 20_000) + b"[" * 20_000,
        struct.pack(">Q", 14) + b'{"array": 1e9}',
        struct.pack(">Q", 12) + b'{"array": 5}',
        plain.pack({"a": np.array(["text"])}),
        plain.pack({"a": np.zeros(2, dtype="f4,i4")}),
        plain.pack({"a": [plain.Made("os:getcwd")]}),
        plain.pack({"a": np.zeros(9)})[:-3],
    ],
)
def test_bytes_that_are_no_plain_data_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        worker.decode(data)


def test_what_a_child_says_is_cut_to_size_and_to_what_was_asked() -> None:
    said = Observation(
        "raised",
        trouble=probe.Trouble("E" * 999, ("E",), "x" * 9999, ((1, "y" * 999),) * 99),
        printed="p" * 99_999,
        forbidden=("numpy.add", "made.up"),
    )
    frame = {"exercise": "twice", "observations": [said.to_plain()] * 2}
    taken, _ = worker.frame_observations(frame, ASK)
    assert taken.trouble is not None
    assert len(taken.trouble.type) == 100
    assert len(taken.trouble.text) == 900
    assert len(taken.trouble.lines) == 6
    assert len(taken.printed) < 5_000
    assert taken.forbidden == ("numpy.add",)


def test_a_flood_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    with path.open("wb") as file:
        file.write(struct.pack(">Q", worker.MAX_FRAME + 1))
        os.truncate(path, worker.MAX_FRAME + 100)
    reader = worker._Reader(path.open("rb"))
    reader.run()
    assert reader.frames.get() == "flood"
    assert reader.frames.empty()
