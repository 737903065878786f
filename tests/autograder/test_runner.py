"""`judge_files`: a verdict on every file, whatever its code does, and no harm to any other."""

import contextlib
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.runner import FileResult, judge_files
from autograder.sandbox import worker
from autograder.verdict import VERDICTS

GOOD = """\
import numpy as np

def moving_sum(x, width, stride=1):
    if width > len(x):
        raise ValueError("no window fits")
    return np.array([x[i : i + width].sum() for i in range(0, len(x) - width + 1, stride)])
"""
DEF = "def moving_sum(x, width, stride=1):\n"


def body(*lines: str) -> str:
    """A function that does something else than it should."""
    return DEF + "".join(f"    {line}\n" for line in lines)


STUBBORN = "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])"
WRITE_TO_EVERY_PIPE = """\
import os
for fd in range(3, 64):
    try:
        os.write(fd, {data})
    except OSError:
        pass
"""

# name: source, verdict, a piece of the message
FILES: dict[str, tuple[str | bytes, str, str]] = {
    "right": (GOOD, "pass", "every aspect is right"),
    "mean": (GOOD.replace("sum()", "mean()"), "wrong", "Add, do not average."),
    "no stride": (GOOD.replace("1, stride)", "1)"), "partial", "The window jumps."),
    # ── nothing to judge ──
    "stub": (body("raise NotImplementedError"), "not_attempted", "not attempted yet"),
    "stub of a file": ("raise NotImplementedError", "not_attempted", "not attempted yet"),
    "empty": ("", "error", "the file is empty"),
    "comment": ("# nothing\n", "error", "does not define moving_sum"),
    "renamed": (GOOD.replace("moving_sum", "movingSum"), "error", "did you mean movingSum?"),
    "another": ("def f():\n    return 1", "error", "it defines f"),
    "syntax": ("x = 1\n" + DEF[:-3], "error", "line 2: SyntaxError"),
    "null byte": (GOOD + "\0", "error", "null bytes"),
    "latin": (b"# " + b"ok\n# caf\xe9\n" + GOOD.encode(), "error", "byte 0xe9 in line 2"),
    "utf-16": (GOOD.encode("utf-16"), "error", "UTF-16"),
    "coding": (b"# coding: nonsense\n" + GOOD.encode(), "error", "coding"),
    "notebook.ipynb": ("{}", "error", "use `course check`"),
    "raises before": ("1 / 0\n" + GOOD, "error", "line 1: ZeroDivisionError"),
    "exits before": ("import sys\nsys.exit()\n" + GOOD, "error", "your code calls exit()"),
    "asks": ("n = input()\n" + GOOD, "error", "waits for input()"),
    "imports the judge": ("import autograder.judge\n" + GOOD, "error", "not available"),
    "text": ("moving_sum = 3", "error", "TypeError"),
    "returns nothing": (body("pass"), "wrong", "returned None"),
    "equal to all": (
        "class A:\n    def __eq__(self, other): return True\n" + body("return A()"),
        "wrong",
        "an array is expected",
    ),
    # ── costs nothing ──
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "pass", ""),
    "declared latin": (b"# coding: latin-1\nx = '\xe9'\n" + GOOD.encode(), "pass", ""),
    "windows lines": (GOOD.replace("\n", "\r\n"), "pass", ""),
    "prints": ("print('x' * 10**7)\n" + GOOD, "pass", ""),
    "floods": ("import os\nfor i in range(9):\n    os.write(1, b'x' * 10**7)\n" + GOOD, "pass", ""),
    "warns": ("import warnings\nwarnings.simplefilter('error')\n" + GOOD, "pass", ""),
    "raises after": (GOOD + "1 / 0", "pass", "The file itself stops in line 7: Zero"),
    "exits after": (GOOD + "raise SystemExit(3)", "pass", "your code calls exit()"),
    "a program": (GOOD + "if __name__ == '__main__':\n    1 / 0", "pass", "is right"),
    "checks itself": (
        "from autograder.check import check, hint\n" + GOOD + "check(moving_sum)\n",
        "pass",
        "",
    ),
    "dataclass": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass A:\n    x: int\n" + GOOD,
        "pass",
        "",
    ),
    "goes elsewhere": ("import os\nos.chdir('/')\n" + GOOD, "pass", ""),
    "writes": ("open('a', 'w').write('x')\n" + GOOD, "pass", ""),
    "no stdout": ("import sys\nsys.stdout = sys.stderr = None\n" + GOOD, "pass", ""),
    "traces": ("import sys\nsys.settrace(lambda *a: 1 / 0)\nsys.setprofile(print)\n" + GOOD,
               "pass", ""),
    "no builtins": (
        GOOD + "import builtins\nfor name in dir(builtins):\n    if name != 'setattr':\n"
        "        setattr(builtins, name, None)\n",
        "pass",
        "",
    ),
    "thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=[99]).start()\n" + GOOD,
        "pass",
        "",
    ),
    "forks": ("import os\nos.fork()\nos.fork()\n" + GOOD, "pass", ""),
    "leaves a daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        time.sleep(99)\n    os._exit(0)\n" + GOOD,
        "pass",
        "",
    ),
    "leaves a program": (
        "import subprocess\nsubprocess.Popen(['sleep', '99'], start_new_session=True)\n" + GOOD,
        "pass",
        "",
    ),
    "exit handler": ("import atexit, time\natexit.register(time.sleep, 99)\n" + GOOD, "pass", ""),
    # ── does not come back ──
    "endless": ("while True:\n    pass\n" + GOOD, "time", "the file itself ran longer than 2 s"),
    "endless after": (GOOD + "while True:\n    pass\n", "time", "the file itself ran longer"),
    "endless call": (body("while True: pass"), "time", "does a loop never end?"),
    "swallows": (
        body("while True:", "    try:", "        while True: pass", "    except: pass"),
        "time",
        "does a loop never end?",
    ),
    "cannot be stopped": (body(STUBBORN, "while True: time.sleep(1)"), "time", "had to be killed"),
    "endless in C": (body("return sum(range(10**12))"), "time", "had to be killed"),
    "stops itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "time", "killed"),
    "dies": ("import os\nos._exit(3)", "crash", "exit status 3 while the file ran"),
    "dies in a call": (body("import os", "os._exit(0)"), "crash", "while it was called"),
    "segmentation fault": (body("import ctypes", "ctypes.string_at(0)"), "crash", "SIGSEGV"),
    "aborts": ("import os\nos.abort()", "crash", "SIGABRT"),
    "kills its group": ("import os, signal\nos.killpg(0, signal.SIGKILL)", "crash", "SIGKILL"),
    "kills what started it": ("import os, signal\nos.kill(os.getppid(), 9)\n" + GOOD, "pass", ""),
    "closes everything": ("import os\nos.closerange(0, 999)\n" + GOOD, "crash", "closed"),
    "numpy broken": ("import numpy as np\nnp.asarray = None\n" + GOOD, "wrong", "not be read"),
    "sends rubbish": (
        WRITE_TO_EVERY_PIPE.format(data="b'\\0' * 7 + b'\\x09rubbish!!'") + GOOD,
        "tampered",
        "meddled",
    ),
    "sends too much": (
        WRITE_TO_EVERY_PIPE.format(data="b'\\x7f' * 8") + GOOD, "output", "too much"
    ),
    "returns too much": (
        "import numpy as np\nbig = np.zeros(5_000_000)\n" + body("return big"),
        "output",
        "too much",
    ),
    "asks for all memory": (body("return [0] * 10**12"), "memory", "ran out of memory"),
}  # fmt: skip


@pytest.fixture
def judge(samples: Any, tmp_path: Path) -> Callable[..., dict[str, FileResult]]:
    """Judge sources by the sample function: name → result."""

    def judge_sources(
        sources: dict[str, str | bytes], exercise: str = "moving_sum", **options: Any
    ) -> dict[str, FileResult]:
        paths = []
        for name, source in sources.items():
            path = tmp_path / (name if "." in name else f"{name}.py")
            path.write_bytes(source if isinstance(source, bytes) else source.encode())
            paths.append(path)
        results = list(judge_files(exercise, paths, **{"seed": 1, **options}))
        assert [result.file for result in results] == [str(path) for path in paths]
        return dict(zip(sources, results, strict=True))

    return judge_sources


@pytest.fixture
def left_behind(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The processes that were started, directly or not, by this test and still live."""
    sign = f"JUDGE_TEST_{uuid.uuid4().hex}"
    monkeypatch.setenv(sign, "1")

    def commands() -> list[str]:
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and sign.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text())
        return found

    return commands


@pytest.mark.skipif(sys.platform != "linux", reason="the table kills and forks as Linux does")
def test_every_file_gets_its_verdict_and_nothing_is_left_behind(
    judge: Any, left_behind: Callable[[], list[str]]
) -> None:
    threads = threading.active_count()
    results = judge({name: source for name, (source, _, _) in FILES.items()}, timeout=2.0, jobs=4)
    for name, (_, verdict, said) in FILES.items():
        got = results[name].verdict
        text = f"{name}: {got.verdict}: {got.message}"
        assert got.verdict == verdict, text
        assert verdict in VERDICTS
        assert said in results[name].to_json()["message"], text
        assert (got.score == 1) == (verdict == "pass")
    assert left_behind() == []
    assert threading.active_count() == threads


def test_a_forbidden_call_is_seen_in_the_child(judge: Any) -> None:
    source = body("from scipy.ndimage import uniform_filter1d", "return uniform_filter1d(x, 3)")
    verdict = judge({"a": source, "b": GOOD})
    assert verdict["a"].verdict.verdict == "forbidden"
    assert verdict["b"].verdict.verdict == "pass"


@pytest.mark.parametrize("fork", [True, False])
def test_every_kind_of_exercise_is_judged_in_the_child(
    judge: Any, samples: Any, fork: bool
) -> None:
    answers = {
        "TwoLayers": "from torch import nn\ndef TwoLayers(h):\n"
        "    return nn.Sequential(nn.Linear(3, h), nn.ReLU(), nn.Linear(h, 2))",
        "classifier": "import numpy as np\ndef classifier(x, y):\n"
        "    m = np.stack([x[y == c].mean(0) for c in (0, 1)])\n"
        "    return lambda q: np.argmin(((q[:, None] - m) ** 2).sum(-1), axis=1)",
        "weights": "import numpy as np\ndef weights(n):\n    return np.full(n, 1 / n)",
        "quiz_99": f"answers = {samples.question.answers(7)!r}",
        "moving_sum": GOOD,
    }
    for name, source in answers.items():
        result = judge({name: source}, exercise=name, fork=fork)[name]
        assert result.verdict.verdict == "pass", result.verdict.message


def test_a_quiz_is_found_by_its_answers(judge: Any, samples: Any) -> None:
    wrong = {**samples.question.answers(7), "four": "z"}
    sources = {"none": "x = 1", "wrong": f"answers = {wrong!r}", "list": "answers = [1]"}
    results = judge(sources, exercise="quiz_99")
    assert [result.verdict.verdict for result in results.values()] == ["error", "partial", "wrong"]
    assert "does not define answers" in results["none"].verdict.message


def test_the_same_seed_gives_the_same_verdict(judge: Any) -> None:
    sources = {
        "mean": GOOD.replace("sum()", "mean()"),
        "chance": "import random\n" + GOOD.replace(".sum()", ".sum() + random.randrange(2)"),
    }
    first, second, other = (judge(sources, seed=seed) for seed in (5, 5, 6))
    for name in sources:
        assert first[name].to_json() == second[name].to_json()
    assert first["mean"].verdict.verdict == other["mean"].verdict.verdict


def test_without_a_seed_the_cases_differ(
    judge: Any, samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    draw = type(samples.function).draw
    monkeypatch.setattr(
        type(samples.function), "draw", lambda self, seed: seeds.append(seed) or draw(self, seed)
    )
    judge({"a": GOOD}, seed=None)
    judge({"a": GOOD}, seed=None)
    assert len(set(seeds)) == 2


def test_two_hundred_files_share_two_interpreters(
    judge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Counted(worker._Template):
        def __init__(self, place: Path, sandbox: None) -> None:
            started.append(place)
            super().__init__(place, sandbox)

    monkeypatch.setattr(worker, "_Template", Counted)
    results = judge({f"f{i}": GOOD for i in range(200)}, jobs=2)
    assert all(result.verdict.verdict == "pass" for result in results.values())
    assert len(started) == 2


def test_verdicts_come_as_they_are_made_and_may_be_left(
    samples: Any, tmp_path: Path, left_behind: Callable[[], list[str]]
) -> None:
    for i in range(40):
        (tmp_path / f"{i}.py").write_text(GOOD if i < 20 else "while True: pass")
    results = judge_files("moving_sum", [tmp_path / f"{i}.py" for i in range(40)], timeout=60.0)
    assert next(results).verdict.verdict == "pass"
    assert left_behind() != []
    results.close()  # type: ignore[attr-defined]
    assert left_behind() == []


def test_a_file_that_cannot_be_read_is_a_verdict(judge: Any, tmp_path: Path) -> None:
    good = tmp_path / "good.py"
    good.write_text(GOOD)
    paths = [tmp_path / "missing.py", tmp_path, good, "a\0b.py"]
    results = list(judge_files("moving_sum", paths))
    assert [r.verdict.verdict for r in results] == ["error", "error", "pass", "error"]
    assert results[0].verdict.message == "no such file"
    assert results[1].verdict.message == "this is a directory"


def test_an_unknown_exercise_is_refused_at_once(samples: Any) -> None:
    with pytest.raises(KeyError, match="did you mean moving_sum"):
        judge_files("moving_sums", ["a.py"])


def test_the_registry_can_be_given(tmp_path: Path, samples: Any) -> None:
    path = tmp_path / "a.py"
    path.write_text(GOOD)
    only = {"mine": samples.function}
    (result,) = judge_files("mine", [path], registry=only)
    assert result.verdict.verdict == "pass"
    with pytest.raises(KeyError):
        judge_files("moving_sum", [path], registry=only)


def test_json_has_the_promised_keys(judge: Any) -> None:
    data = judge({"a": GOOD.replace("1, stride)", "1)")})["a"].to_json()
    assert list(data) == [
        "file", "exercise", "verdict", "score", "aspects", "misconception", "message",
    ]  # fmt: skip
    assert data["score"] == 0.75
    assert data["misconception"] == "no_stride"
    assert data["aspects"][1] == {"name": "stride", "weight": 1.0, "passed": False}
    assert data["message"].endswith("The window jumps.")
