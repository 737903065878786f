"""`course grade` against stock `nbgrader autograde`: ``python benchmarks/grading.py PART …``.

``speed``    grades the same submissions with both, one whole process each, by turns, and prints
             submissions a minute, their ratio, whether the marks are equal and where the time of
             one submission goes. Limits: 10 times the submissions a minute on chapter 02, 20 times
             where the kernel imports torch and matplotlib.
``memory``   grades 1,000 submissions of chapter 02 in one run of two processes and prints what all
             processes of the run take together: at most 1.5 GiB, and at submission 1,000 no more
             than a tenth above submission 100.
``cluster``  grades a class with two Dask workers, started by hand on this machine, and again
             without them: the verdict files must be equal to the byte.

The submissions are honest: solved notebooks, notebooks with some exercises left out, and notebooks
with mistakes that learners make. The exit status is 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from autograder.grading import record as records
from autograder.grading.batch import Request, grade_class
from autograder.grading.engine import Grade
from autograder.grading.marks import open_gradebook
from autograder.paths import put_scripts_on_path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
FIRST, TORCH = "ch02_output_size", "ch10_vision_transformers"
FASTER = {FIRST: 10.0}
FASTER_WITH_TORCH = 20.0
MOST_MIB, MOST_GROWTH = 1536.0, 1.10
SEED = 20260301

STOCK = """\
\"\"\"A plain nbgrader course: nothing of this project in its configuration.\"\"\"

from pathlib import Path

c = get_config()
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "stock"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your code here")'}
c.Execute.timeout = 120
c.Execute.store_widget_state = False
"""

# What learners get wrong: a place in our solution, and what stands there instead.
MISTAKES = {
    FIRST: {
        "output_size": ("rest // stride", "rest / stride"),
        "visit_counts": ("+= 1", "= 1"),
        "same_padding": ("before, missing - before", "before, before"),
        "conv2d_single": (".sum()", ".mean()"),
        "true_convolution": ("[::-1, ::-1]", "[:, ::-1]"),
        "edge_kernel": ("[-1, 0, 1], [-3, 0, 3], [-1, 0, 1]", "[1, 0, -1], [3, 0, -3], [1, 0, -1]"),
        "conv2d_vectorised": ("rcij,ij->rc", "rcij,ji->rc"),
        "conv2d_single_backward": (
            "grad_out[r, c] * kernel",
            "grad_out[r, c] * kernel[::-1, ::-1]",
        ),
        "quiz_02": ("size=19", "size=20"),
    },
    TORCH: {
        "patchify": ("(0, 2, 4, 1, 3, 5)", "(0, 2, 4, 3, 5, 1)"),
        "self_attention": ("/ np.sqrt(dim // n_heads)", "/ np.sqrt(dim)"),
        "attention_macs": ("scores + mixing", "scores"),
        "window_partition": ("(0, 2, 4, 1, 3, 5)", "(0, 4, 2, 1, 3, 5)"),
        "shifted_window_mask": ("-100.0", "-1.0"),
        "ConvNeXtBlock": ("eps=1e-6", "eps=1.0"),
        "quiz_10": ("tokens=50", "tokens=49"),
    },
}


# ── submissions ─────────────────────────────────────────────────────────────────────────────────


@cache
def solution_cells(chapter: str) -> dict[str, str]:
    """The course's own solutions, as text, by the grade ids of their cells."""
    notebook = nbformat.read(ROOT / "solutions" / chapter / f"{chapter}.ipynb", as_version=4)
    found = {}
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution"):
            lines = cell.source.splitlines()
            kept = [line for line in lines if not re.match(r"\s*### (BEGIN|END) SOLUTION", line)]
            found[about["grade_id"]] = "\n".join(kept)
    return found


def submission(released: bytes, chapter: str, number: int) -> bytes:
    """What student `number` hands in: solved, solved in part, or with mistakes, by turns."""
    rng = random.Random(number)
    answers = solution_cells(chapter)
    kind = number % 3
    done = list(answers)
    if kind == 1:
        done = [name for name in answers if rng.random() < 0.6]
    wrong: Sequence[str] = []
    mistakes = MISTAKES.get(chapter, {})
    if kind == 2 and mistakes:
        wrong = rng.sample(sorted(mistakes), min(2, len(mistakes)))
    notebook = nbformat.reads(released.decode(), as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in done:
            text = answers[name]
            if name in wrong:
                right, instead = mistakes[name]
                if right not in text:
                    raise SystemExit(f"the solution of {name} no longer holds {right!r}")
                text = text.replace(right, instead)
            cell.source = text
    return nbformat.writes(notebook).encode()


# ── classes ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Classes:
    """Two class directories with the same submissions of a chapter, nothing graded."""

    ours: Path
    stock: Path


def run(*command: object, cwd: Path | None = None) -> None:
    """Run a command; where it fails, end with what it said."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )


def make_classes(place: Path, chapter: str, number: int, *, stock: bool = True) -> Classes:
    """Make both classes, the chapter generated in them, with `number` submissions."""
    classes = Classes(place / "ours", place / "stock")
    run(SCRIPTS / "course", "class", "new", classes.ours)
    run(sys.executable, "-m", "nbgrader", "generate_assignment", chapter, cwd=classes.ours)
    if stock:
        shutil.copytree(classes.ours / "source" / chapter, classes.stock / "source" / chapter)
        (classes.stock / "nbgrader_config.py").write_text(STOCK, encoding="utf-8")
        run(sys.executable, "-m", "nbgrader", "generate_assignment", chapter, cwd=classes.stock)
    released = (classes.ours / "release" / chapter / f"{chapter}.ipynb").read_bytes()
    for student in range(number):
        content = submission(released, chapter, student)
        for directory in (classes.ours, classes.stock) if stock else (classes.ours,):
            path = directory / "submitted" / f"student{student:04d}" / chapter / f"{chapter}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
    return classes


def course_grade(directory: Path, chapter: str, *options: object) -> list[str]:
    """The command that grades a class."""
    command = [SCRIPTS / "course", "grade", chapter, "--directory", directory, *options]
    return [str(part) for part in command]


def timed(command: Sequence[str], cwd: Path, log: Path) -> float:
    """Seconds of a whole process, from its start to its end."""
    with log.open("wb") as output:
        start = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT)
        seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{tail(log)}")
    return seconds


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])


def cell_marks(directory: Path, chapter: str) -> dict[tuple[str, str], float]:
    """The mark of every student for every graded cell, as the gradebook holds it."""
    with open_gradebook(directory) as gradebook:
        return {
            (submitted.student_id, grade.name): float(grade.score)
            for submitted in gradebook.assignment_submissions(chapter)
            for notebook in submitted.notebooks
            for grade in notebook.grades
        }


# ── speed ───────────────────────────────────────────────────────────────────────────────────────


def speed(options: argparse.Namespace) -> bool:
    """Whether `course grade` is as many times faster as it has to be, with equal marks."""
    return all([chapter_speed(chapter, options) for chapter in options.chapters])


def chapter_speed(chapter: str, options: argparse.Namespace) -> bool:
    """The comparison on one chapter."""
    number = options.submissions
    print(f"\n{chapter}: {number} submissions, {options.rounds} rounds, {options.jobs} processes")
    print(
        f"{'round':8}{'stock s':>10}{'ours s':>10}{'stock /min':>12}{'ours /min':>12}{'ratio':>8}"
    )
    ratios = []
    with workplace(options.keep) as place:
        fresh = make_classes(place / "fresh", chapter, number)
        for turn in range(options.rounds):
            ours = Path(shutil.copytree(fresh.ours, place / f"ours{turn}"))
            stock = Path(shutil.copytree(fresh.stock, place / f"stock{turn}"))
            commands = {
                "ours": (course_grade(ours, chapter, "--jobs", options.jobs, *options.extra), ours),
                "stock": ([sys.executable, "-m", "nbgrader", "autograde", chapter], stock),
            }
            seconds = {}
            # By turns, and each first as often as the other.
            for side in sorted(commands, reverse=turn % 2 == 0):
                command, directory = commands[side]
                seconds[side] = timed(command, directory, place / f"{side}{turn}.log")
            ratios.append(seconds["stock"] / seconds["ours"])
            print(
                f"{turn + 1:<8}{seconds['stock']:10.1f}{seconds['ours']:10.1f}"
                f"{60 * number / seconds['stock']:12.1f}{60 * number / seconds['ours']:12.1f}"
                f"{ratios[-1]:8.1f}",
                flush=True,
            )
        equal = same_marks(cell_marks(stock, chapter), cell_marks(ours, chapter))
        print_seconds(ours, chapter)
    limit = FASTER.get(chapter, FASTER_WITH_TORCH)
    ratio = statistics.median(ratios)
    print(f"median ratio {ratio:.1f} (limit {limit:g}); marks {'equal' if equal else 'DIFFER'}")
    return ratio >= limit and equal


def same_marks(
    stock: Mapping[tuple[str, str], float], ours: Mapping[tuple[str, str], float]
) -> bool:
    """Whether both gave everybody the same mark for everything; prints where not."""
    different = [key for key in sorted({*stock, *ours}) if stock.get(key) != ours.get(key)]
    for student, cell in different[:20]:
        key = (student, cell)
        print(f"  {student} {cell}: stock {stock.get(key)}, ours {ours.get(key)}")
    levels = dict(sorted(Counter(ours.values()).items()))
    print(f"{len(ours)} marks compared, {len(different)} differ; by value: {levels}")
    return not different


class Replay:
    """A pool that judges nothing: what is left of a run is reading, handing on and writing."""

    slots = 1

    def submit(self, judge: Any, task: Any) -> Future[Any]:
        """The future of what `judge` remembers."""
        future: Future[Any] = Future()
        future.set_result(judge(task))
        return future

    def is_loss(self, error: BaseException) -> bool:
        """Nothing is lost here."""
        return False

    def check(self) -> None:
        """Nothing breaks."""

    renew = close = check


def print_seconds(directory: Path, chapter: str) -> None:
    """Where the time of one submission goes, as the records and the writer alone say."""
    students = records.recorded(directory, chapter)
    loaded = (records.load(directory, chapter, student) for student in students)
    grades = [record.grade for record in loaded if record is not None]
    names = list(dict.fromkeys(name for grade in grades for name in grade.seconds))
    print("where the time of one submission goes (milliseconds: median, mean)")
    total = 0.0
    for name in names:
        spent = [1000 * grade.seconds.get(name, 0.0) for grade in grades]
        total += statistics.mean(spent)
        print(f"  {name:28}{statistics.median(spent):8.1f}{statistics.mean(spent):8.1f}")
    print(f"  {'in a process that judges':28}{'':8}{total:8.1f}")
    spent_writing = 1000 * writing(directory, chapter, grades) / len(grades)
    print(f"  {'in the one that writes':28}{'':8}{spent_writing:8.1f}", flush=True)


def writing(directory: Path, chapter: str, grades: Sequence[Grade]) -> float:
    """Seconds to write all grades once more, judged by nobody."""
    whole = {}
    for grade in grades:
        path = records.notebook_path(directory, chapter, grade.student)
        whole[grade.student] = replace(grade, notebook=path.read_text(encoding="utf-8"))
    sandbox = any(grade.sandbox != "none" for grade in grades)
    request = Request(chapter, again=True, seed=grades[0].seed, sandbox=sandbox)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        start = time.perf_counter()
        grade_class(directory, request, Replay, judge=lambda task: whole[task.student])
        return time.perf_counter() - start


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


def memory(options: argparse.Namespace) -> bool:
    """Whether a long run stays flat and small."""
    number = options.submissions
    early, late = number // 10, number
    with workplace(options.keep) as place:
        fresh = make_classes(place, FIRST, number, stock=False)
        command = course_grade(fresh.ours, FIRST, "--jobs", options.jobs, *options.extra)
        done = records.chapter_directory(fresh.ours, FIRST) / "records"
        log = place / "memory.log"
        samples: list[tuple[int, float, int]] = []
        with log.open("wb") as output:
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            while process.poll() is None:
                mebibytes, processes = together(process.pid)
                samples.append((counted(done), mebibytes, processes))
                time.sleep(options.every)
            seconds = time.perf_counter() - start
        if process.returncode or counted(done) != number:
            raise SystemExit(f"the run ended with {process.returncode}:\n{tail(log)}")
    width = max(5, number // 20)
    at = {place: around(samples, place, width) for place in (early, late)}
    peak = max(mebibytes for _, mebibytes, _ in samples)
    print(
        f"{number} submissions of {FIRST} in {seconds:.0f} s: {60 * number / seconds:.0f} a minute"
    )
    print(f"{len(samples)} samples of the memory of all processes of the run (PSS), in MiB")
    for part in range(1, 11):
        place_ = part * number // 10
        print(f"  at submission {place_:5}: {around(samples, place_, width):8.1f}")
    most = max(processes for _, _, processes in samples)
    growth = at[late] / at[early]
    print(f"peak {peak:.1f} MiB (limit {MOST_MIB:g}) in up to {most} processes")
    print(f"submission {late} against {early}: {growth:.3f} (limit {MOST_GROWTH:g})")
    return peak <= MOST_MIB and growth <= MOST_GROWTH


def counted(directory: Path) -> int:
    """How many submissions are recorded."""
    try:
        return sum(name.endswith(".json") for name in os.listdir(directory))
    except FileNotFoundError:
        return 0


def around(samples: Sequence[tuple[int, float, int]], place: int, width: int) -> float:
    """The median memory while the last `width` submissions before `place` were graded.

    One moment would say little: processes for single submissions come and go.
    """
    near = [mebibytes for done, mebibytes, _ in samples if place - width <= done < place]
    return statistics.median(near) if near else float("nan")


def together(root: int) -> tuple[float, int]:
    """The proportional set sizes of a process and all that descend from it, in MiB; their number.

    A page that several processes share counts once in the sum. Processes in namespaces of their
    own are seen from here as any others.
    """
    kibibytes, number = 0, 0
    for pid in tree(root):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            raise SystemExit(
                "run this as root: the sandbox hides its processes from others"
            ) from None
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        kibibytes += int(found[1]) if found else 0
        number += 1
    return kibibytes / 1024, number


def tree(root: int) -> Iterator[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name, in brackets, may hold anything.
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


# ── a cluster ───────────────────────────────────────────────────────────────────────────────────


def cluster(options: argparse.Namespace) -> bool:
    """Whether two Dask workers come to the same verdicts as this machine alone."""
    with workplace(options.keep) as place:
        fresh = make_classes(place / "fresh", FIRST, options.submissions, stock=False)
        verdicts = {}
        for side in ("here", "cluster"):
            directory = Path(shutil.copytree(fresh.ours, place / side))
            with contextlib.ExitStack() as stack:
                where = ["--jobs", options.jobs]
                if side == "cluster":
                    where = ["--scheduler", stack.enter_context(dask(place))]
                command = course_grade(directory, FIRST, "--seed", SEED, *where, *options.extra)
                seconds = timed(command, directory, place / f"{side}.log")
            verdicts[side] = records.verdict_path(directory, FIRST).read_bytes()
            print(f"{side:8} {options.submissions} submissions in {seconds:.1f} s", flush=True)
    same = verdicts["here"] == verdicts["cluster"]
    size = len(verdicts["here"])
    print(f"verdict files: {'equal to the byte' if same else 'DIFFERENT'} ({size} bytes)")
    return same


@contextlib.contextmanager
def dask(place: Path) -> Iterator[str]:
    """A scheduler and two workers on loopback, as somebody starts them by hand; its address."""
    # One submission at a time in each process: a worker has one thread.
    worker = ["worker", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    processes: list[subprocess.Popen[bytes]] = []
    about = place / "scheduler.json"
    about.unlink(missing_ok=True)
    try:
        processes.append(start_dask(place, *scheduler, "--scheduler-file", str(about)))
        address = wait_for_address(about)
        processes += [start_dask(place, *worker, address) for _ in range(2)]
        yield address
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_dask(place: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start ``dask …``."""
    with (place / f"dask-{arguments[0]}.log").open("ab") as log:
        return subprocess.Popen(
            [str(SCRIPTS / "dask"), *arguments], cwd=place, stdout=log, stderr=subprocess.STDOUT
        )


def wait_for_address(about: Path) -> str:
    """The address that a scheduler writes down once it is up."""
    for _ in range(600):
        try:
            return str(json.loads(about.read_text())["address"])
        except (FileNotFoundError, ValueError):
            time.sleep(0.1)
    raise SystemExit("no Dask scheduler after a minute")


# ── the command line ────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """A directory to work in: a temporary one, or `keep`, which stays."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def arguments() -> argparse.Namespace:
    """What is asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True, metavar="PART")
    for part, number in ((speed, 100), (memory, 1000), (cluster, 40)):
        own = parts.add_parser(part.__name__, help=part.__doc__)
        own.set_defaults(part=part)
        own.add_argument("--submissions", type=int, default=number)
        own.add_argument("--jobs", type=int, default=2)
        own.add_argument("--keep", type=Path, help="work in this new directory and leave it")
        own.add_argument(
            "--no-sandbox", dest="extra", action="append_const", const="--no-sandbox", default=[]
        )
        if part is speed:
            own.add_argument("--chapters", nargs="+", default=[FIRST, TORCH])
            own.add_argument("--rounds", type=int, default=3)
        if part is memory:
            own.add_argument("--every", type=float, default=0.5, help="seconds between samples")
    return parser.parse_args()


def main() -> int:
    """Run a part; 1 where it misses a limit."""
    put_scripts_on_path()
    options = arguments()
    return 0 if options.part(options) else 1


if __name__ == "__main__":
    sys.exit(main())
