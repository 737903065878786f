"""`course grade`: what is graded, what is not graded twice, and what it says."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder import cli
from autograder.grading import batch, record
from autograder.grading.batch import Request, grade_class
from autograder.grading.lock import only_writer
from autograder.grading.pool import ExecutorPool, LocalPool
from autograder.paths import CourseError, UsageError

HERE = Path(__file__).parent
CHAPTER = "ch99_sums"


@pytest.fixture(scope="module")
def empty_class(fake, tmp_path_factory):
    directory = tmp_path_factory.mktemp("classes") / "empty"
    fake.make_class(directory)
    return directory


@pytest.fixture
def room(fake, empty_class, tmp_path, monkeypatch):
    """A class in which nobody has handed in anything yet; what is judged is logged."""
    directory = tmp_path / "class"
    shutil.copytree(empty_class, directory)
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    return directory


def threads():
    return ExecutorPool(lambda: ThreadPoolExecutor(2), 2)


def run(fake, directory, start=threads, **request):
    """Grade with the fake judge; the tally and who was judged."""
    log = Path(os.environ["FAKE_LOG"])
    log.write_text("")
    tally = grade_class(directory, Request(CHAPTER, **request), start, judge=fake.judge)
    return tally, sorted(log.read_text().splitlines())


def test_a_class_is_graded_and_nothing_is_graded_twice(fake, room, capsys):
    fake.hand_in(room, "ada", "total 1", "mean 1")
    fake.hand_in(room, "bob", "total 1", "mean 0.5")
    (room / "submitted/eve" / CHAPTER).mkdir(parents=True)
    (room / "submitted/bob" / CHAPTER / "timestamp.txt").write_text("2026-11-20 14:00:00 UTC")
    tally, judged = run(fake, room)
    assert judged == ["ada", "bob", "eve"]
    assert fake.scores(room) == {"ada": [2, 3], "bob": [1, 3], "eve": [0, 0]}
    assert [row[1] for row in fake.marks(room) if row[0] == "bob"] == [
        "2026-11-20 14:00:00.000000"
    ] * 2
    assert "\n".join(tally.summary(CHAPTER)) == (
        "ch99_sums: 3 submissions of 3 graded\n"
        "  mean of automatic points: 3.00 of 5 (60%)\n"
        "  exercises: pass 3, wrong 1\n"
        "  no points, for want of a notebook that can be read: 1 submission\n"
        "    eve: ch99_sums.ipynb is missing: nothing was handed in"
    )
    assert "ch99_sums: 3 submissions, 2 at once" in capsys.readouterr().err
    graded = room / "autograded/bob" / CHAPTER
    assert sorted(p.name for p in graded.iterdir()) == [
        f"{CHAPTER}.ipynb",
        "picture.svg",
        "timestamp.txt",
    ]
    text = record.verdict_path(room, CHAPTER).read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["student"], line["earned"], line["seed"]) for line in lines] == [
        ("ada", 5, 17),
        ("bob", 4, 17),
        ("eve", 0, 17),
    ]

    before = fake.state(room)
    tally, judged = run(fake, room)
    assert judged == []
    assert fake.state(room) == before
    assert tally.summary(CHAPTER)[0] == "ch99_sums: 3 submissions of 3 graded, 3 of them before"
    assert tally.earned == 9


def test_what_has_changed_is_graded_again(fake, room):
    for student in ("ada", "bob", "eve"):
        fake.hand_in(room, student, "total 1")
    run(fake, room)
    fake.hand_in(room, "bob", "mean 1")
    assert run(fake, room)[1] == ["bob"]
    assert fake.scores(room)["bob"] == [2, 0]
    assert run(fake, room, seed=18)[1] == ["ada", "bob", "eve"]
    assert run(fake, room, seed=18, sandbox=False)[1] == ["ada", "bob", "eve"]
    assert run(fake, room)[1] == ["ada", "bob", "eve"]
    record.record_path(room, CHAPTER, "ada").write_text('{"format": 1, "gra')
    record.notebook_path(room, CHAPTER, "eve").write_text("{}")
    assert run(fake, room)[1] == ["ada", "eve"]
    path = room / "source" / CHAPTER / f"{CHAPTER}.ipynb"
    path.write_text(path.read_text() + "\n")
    assert run(fake, room)[1] == ["ada", "bob", "eve"]


def test_another_time_of_handing_in_is_entered_and_not_judged(fake, room):
    fake.hand_in(room, "ada", "total 1")
    run(fake, room)
    (room / "submitted/ada" / CHAPTER / "timestamp.txt").write_text("2026-11-20 14:00:00 UTC")
    assert run(fake, room)[1] == []
    assert {row[1] for row in fake.marks(room)} == {"2026-11-20 14:00:00.000000"}


def test_what_the_gradebook_has_lost_is_entered_again(fake, room):
    for student in ("ada", "bob", "eve"):
        fake.hand_in(room, student, "total 1", "mean 0.5")
    run(fake, room, students=("ada",))
    shutil.copy(room / "gradebook.db", room / "backup.db")
    fake.hand_in(room, "ada", "total 0.5", "mean 0.5")
    run(fake, room)
    before = fake.state(room)
    # The backup knows an older submission of ada's, and none of the others'.
    shutil.copy(room / "backup.db", room / "gradebook.db")
    tally, judged = run(fake, room)
    assert (judged, tally.before, tally.lost) == ([], 3, 3)
    assert fake.state(room) == before
    assert "  not in the gradebook any more, entered again: 3 submissions" in tally.summary(CHAPTER)
    assert run(fake, room)[0].lost == 0


@pytest.mark.parametrize(
    "statement", ["delete from base_cell", "update grade_cells set max_score=9"]
)
def test_what_the_gradebook_does_not_know_is_said_before_anything_starts(fake, room, statement):
    fake.hand_in(room, "ada", "total 1")
    with sqlite3.connect(room / "gradebook.db") as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(CourseError, match=f"nbgrader generate_assignment {CHAPTER} --force"):
        run(fake, room, start=pytest.fail)
    (room / "gradebook.db").unlink()
    with pytest.raises(CourseError, match=f"does not know {CHAPTER}: run"):
        run(fake, room, start=pytest.fail)


def test_some_students_and_some_exercises(fake, room):
    for student in ("ada", "bob", "eve"):
        fake.hand_in(room, student, "total 1", "mean 0.5")
    assert run(fake, room, students=("bob", "ada"))[1] == ["ada", "bob"]
    # Of eve nothing is recorded: all of it is judged.
    tally, judged = run(fake, room, exercises=("mean",))
    assert judged == ["ada mean", "bob mean", "eve"]
    assert tally.earned == 12
    assert fake.scores(room) == {student: [1, 3] for student in ("ada", "bob", "eve")}
    cells = json.loads(record.notebook_path(room, CHAPTER, "ada").read_text())["cells"]
    shown = [cell["outputs"][0]["data"]["text/html"] for cell in cells if cell["outputs"]]
    assert shown == ["<b>1.0</b>", "<b>0.5</b>"]
    assert run(fake, room, again=True, students=("eve",))[1] == ["eve"]
    assert run(fake, room)[1] == []


def test_an_exercise_judged_again_changes_no_other_mark(fake, room):
    fake.hand_in(room, "ada", "total 1", "mean 0.5")
    run(fake, room)
    path = record.record_path(room, CHAPTER, "ada")
    kept = json.loads(path.read_text())
    kept["grade"]["exercises"][0] |= {"earned": 1.5, "score": 0.5, "card_html": "<i>kept</i>"}
    path.write_text(json.dumps(kept))
    run(fake, room, exercises=("mean",))
    assert fake.scores(room) == {"ada": [1, 1.5]}
    assert "<i>kept</i>" in record.notebook_path(room, CHAPTER, "ada").read_text()


def test_what_changes_while_an_exercise_is_judged_is_not_mixed(fake, room):
    fake.hand_in(room, "ada", "total 1", "mean 0.5")
    run(fake, room)

    def judge(task):
        return fake.judge(replace(task, notebook=b"mean 1"))

    request = Request(CHAPTER, exercises=("mean",))
    tally = grade_class(room, request, one_by_one, judge=judge)
    assert tally.unmarked == [("ada", "the submission changed while it was judged")]
    assert fake.scores(room) == {"ada": [1, 3]}


def test_a_run_that_grades_again_goes_on_after_an_interruption(fake, room):
    for student in ("ada", "bob", "eve"):
        fake.hand_in(room, student, "total 1")
    run(fake, room)
    entered = []

    def enter(grade, timestamp):
        if len(entered) == 2:
            raise CourseError("the gradebook cannot be written: disk full")
        entered.append(grade.student)

    with pytest.raises(CourseError, match="disk full\nrun the same command again"):
        grade_class(room, Request(CHAPTER, again=True), one_by_one, judge=fake.judge, enter=enter)
    assert run(fake, room, students=("bob",))[1] == []
    # The third is recorded, and not yet marked as entered.
    assert run(fake, room, again=True)[1] == []
    assert run(fake, room, again=True)[1] == ["ada", "bob", "eve"]


def one_by_one():
    return ExecutorPool(lambda: ThreadPoolExecutor(1), 1)


def test_without_a_sandbox_it_says_so(fake, room, capsys):
    fake.hand_in(room, "ada", "total 1")
    run(fake, room, sandbox=False)
    assert "WITHOUT A SANDBOX" in capsys.readouterr().err
    assert record.load(room, CHAPTER, "ada").grade.sandbox == "none"
    assert '"sandbox":"none"' in record.verdict_path(room, CHAPTER).read_text()


def test_faults_get_no_mark_are_named_and_tried_again(fake, room):
    fake.hand_in(room, "ada", "total 1", "mean 1")
    fake.hand_in(room, "bob", "total 1", "fault")
    fake.hand_in(room, "eve", "raise")
    (room / "submitted/<b>" / CHAPTER).mkdir(parents=True)
    tally, _ = run(fake, room)
    assert sorted(tally.unmarked) == [
        ("<b>", 'a student id cannot hold <, >, " or &'),
        ("bob", "no mark for mean: 0% of mean"),
        ("eve", "our fault: RuntimeError: a judge that fails"),
    ]
    assert fake.scores(room) == {"ada": [2, 3], "bob": [None, 3]}
    assert run(fake, room)[1] == ["bob"]


def test_where_no_sandbox_works_nothing_is_graded(fake, room):
    for n in range(20):
        fake.hand_in(room, f"student{n:02}", "refuse")
    with pytest.raises(CourseError) as error:
        run(fake, room)
    assert str(error.value) == "bubblewrap does not work here"
    assert fake.marks(room) == []


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"chapter": "ch99"}, "no chapter 'ch99': is it ch99_sums"),
        ({"chapter": "../.."}, "no chapter"),
        ({"chapter": CHAPTER, "exercises": ("median",)}, "no exercise 'median': is it mean"),
        ({"chapter": CHAPTER, "students": ("zoe",)}, "must have handed something in"),
    ],
)
def test_what_is_not_there(room, request_, message):
    with pytest.raises(UsageError, match=message):
        grade_class(room, Request(**request_), threads)


def test_only_one_run_at_a_time(fake, room):
    fake.hand_in(room, "ada", "total 1")
    with only_writer(room), pytest.raises(CourseError, match=f"already, by process {os.getpid()}"):
        run(fake, room)
    # The lock of a process that is gone is none, whatever its file says.
    (room / "grading/lock").write_text('{"process": 1, "machine": "here", "since": "yesterday"}')
    run(fake, room)


def test_another_place_for_submissions_is_refused(fake, room):
    (room / "nbgrader_config.py").write_text('c.CourseDirectory.submitted_directory = "inbox"')
    with pytest.raises(CourseError, match="names 'inbox' where grading expects 'submitted'"):
        run(fake, room)


# ── processes ───────────────────────────────────────────────────────────────────────────────────


def test_killed_workers_cost_nobody_a_mark(fake, room, tmp_path):
    for n in range(6):
        fake.hand_in(room, f"student{n}", "total 1")
    fake.hand_in(room, "student1", "die", "total 1")
    fake.hand_in(room, "student4", f"die until {tmp_path / 'once'}", "total 1")
    tally, judged = run(fake, room, start=lambda: LocalPool(2))
    good = [f"student{n}" for n in (0, 2, 3, 4, 5)]
    assert sorted(set(judged)) == good
    assert fake.scores(room) == {student: [0, 3] for student in good}
    assert tally.unmarked == [
        ("student1", "the process that judged it was lost, 2 times while it did nothing else")
    ]


def test_where_no_process_can_live_it_says_so(fake, room, monkeypatch):
    fake.hand_in(room, "ada", "total 1")
    monkeypatch.setattr("autograder.grading.pool._alive", fake.judge)
    monkeypatch.setattr("autograder.grading.pool._start_worker", os._exit)
    with pytest.raises(CourseError, match="no process that judges can be started"):
        run(fake, room, start=lambda: LocalPool(1))


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in done.stdout.split()]


COMMAND = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
if __name__ == "__main__":
    import fake_class
    from autograder.grading import batch
    batch.grade_class.__kwdefaults__["judge"] = fake_class.judge
    sys.exit(batch.command(Path(sys.argv[2]), batch.Request(fake_class.CHAPTER), jobs={jobs}))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_or_killed_it_leaves_no_process_and_goes_on(fake, room, how, tmp_path):
    for n in range(6):
        fake.hand_in(room, f"student{n}", "total 1", "wait 60" if n == 3 else "")
    script = tmp_path / "script.py"
    script.write_text(COMMAND.format(jobs=1))
    process = subprocess.Popen(
        [sys.executable, script, HERE, room], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: "student2" in fake.scores(room), process)
    workers = children(process.pid)
    assert workers
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert said.endswith(f"stopped; {batch.RESUME}\n")
    fake.hand_in(room, "student3", "total 1")
    tally, judged = run(fake, room)
    assert judged == ["student3", "student4", "student5"]
    assert (tally.before, tally.earned) == (3, 18)


def test_ctrl_c_while_processes_start_says_one_thing(fake, room, tmp_path):
    for student in ("ada", "bob"):
        fake.hand_in(room, student, "wait 60")
    ready = tmp_path / "ready"
    # As a terminal does it, to every process; each that judges takes its time to start.
    slowly = (
        "if __name__ == '__mp_main__':\n"
        "    import os, pathlib, time\n"
        f"    pathlib.Path({str(ready)!r} + str(os.getpid())).touch()\n"
        "    time.sleep(1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(slowly + COMMAND.format(jobs=999))
    process = subprocess.Popen(
        [sys.executable, script, HERE, room],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: len(list(tmp_path.glob("ready*"))) == 2, process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    silly, begun, *rest = said.splitlines()
    assert silly.startswith("--jobs 999 is more than the ")
    assert begun == f"{CHAPTER}: 2 submissions, 2 at once"
    assert rest == [f"stopped; {batch.RESUME}"]


def test_where_nobody_has_handed_anything_in_it_says_so(fake, room):
    (room / "submitted/ada/another").mkdir(parents=True)
    with pytest.raises(CourseError, match=rf"submitted/\*/{CHAPTER} holds nothing to grade"):
        run(fake, room)
    assert not record.verdict_path(room, CHAPTER).exists()


def wait_for(condition, process=None):
    """Wait until it is so, or the process has ended; fails after long."""
    pause = threading.Event()
    for _ in range(1200):
        if condition():
            return
        assert process is None or process.poll() is None, process.stderr.read()
        pause.wait(0.05)
    raise AssertionError("that takes too long")


def test_the_command_line(fake, room, monkeypatch):
    fake.hand_in(room, "ada", "total 1", "mean 1")
    fake.hand_in(room, "bob", "raise")
    monkeypatch.setitem(batch.grade_class.__kwdefaults__, "judge", fake.judge)
    monkeypatch.setattr(batch, "LocalPool", lambda jobs: threads())
    monkeypatch.chdir(room)
    done = CliRunner().invoke(cli.main, ["grade", CHAPTER], prog_name="course")
    assert done.exit_code == 1
    assert "NO MARKS" in done.stdout
    assert f"verdicts: grading/{CHAPTER}/verdicts.jsonl" in done.stdout
    fake.hand_in(room, "bob", "total 1", "mean 1")
    arguments = ["grade", CHAPTER, "--directory", str(room), "--jobs", "1"]
    done = CliRunner().invoke(cli.main, arguments, prog_name="course")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        0,
        "ch99_sums: 2 submissions of 2 graded, 1 of them before",
    )
    done = CliRunner().invoke(cli.main, ["grade", "ch98", *arguments[2:]], prog_name="course")
    assert (done.exit_code, done.stderr) == (
        2,
        "course grade: this class has no chapter 'ch98'; it has ch99_sums\n",
    )
    (room / "gradebook.db").write_text("garbage, and more of it than a header has")
    for command in (arguments, ["export", "--directory", str(room)]):
        done = CliRunner().invoke(cli.main, command, prog_name="course")
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert "file is not a database" in done.stderr
