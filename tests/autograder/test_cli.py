"""The command line: one-line errors, honest exit statuses, quick help."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from click.testing import CliRunner

from autograder import cli, lab, paths
from autograder.build import SOLUTIONS_JSON
from autograder.paths import CourseError, UsageError


@pytest.fixture
def run(small_course, points, monkeypatch):
    """Run `course …` on the small course."""
    monkeypatch.setenv("COURSE_ROOT", str(small_course))
    monkeypatch.setattr("autograder.build._points_of_exercise", points)
    return lambda *arguments: CliRunner().invoke(cli.main, arguments, prog_name="course")


def test_build_then_check(run, small_course):
    done = run("build")
    assert done.exit_code == 0
    assert f"wrote {SOLUTIONS_JSON}" in done.stdout
    assert run("build", "--check").exit_code == 0

    (small_course / SOLUTIONS_JSON).write_text("{}")
    done = run("build", "--check")
    assert done.exit_code == 1
    assert done.stderr == (
        f"course build: {SOLUTIONS_JSON} is not what its source builds: run `course build`\n"
    )
    assert (small_course / SOLUTIONS_JSON).read_text() == "{}"


def test_fault_in_a_source_is_a_line_and_a_status(run, small_course):
    source = small_course / "solutions/ch01_doubling/ch01_doubling.py"
    source.write_text(source.read_text(encoding="utf-8").replace('"points": 3', '"points": 2'))
    done = run("build")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("course build: solutions/ch01_doubling/ch01_doubling.py: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "course: No such command 'nonsense'."),
        (["build", "--nonsense"], "course build: No such option"),
        (["build", "extra"], "course build: Got unexpected extra argument"),
        (["class", "new"], "course class new: Missing argument 'DIRECTORY'."),
        (["class", "new", "."], "course class new: . is not empty"),
        (["lab", "--ip=0.0.0.0"], "course lab: --ip=0.0.0.0: the course is served to this"),
    ],
)
def test_wrong_call_is_one_line_and_status_2(run, tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_class_new(run, tmp_path):
    done = run("class", "new", str(tmp_path / "class"))
    assert done.exit_code == 0
    assert "2 assignments" in done.stdout
    assert nbformat.read(tmp_path / "class/source/playground/playground.ipynb", as_version=4)


def test_pretrain_takes_a_path_and_refuses_another_ending(run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("course_lib.experiments.pretrain.main", asked.append)
    path = tmp_path / "mine.safetensors"
    assert run("pretrain", "--output", str(path)).exit_code == 0
    assert run("pretrain").exit_code == 0
    assert asked == [path, None]
    monkeypatch.undo()
    done = run("pretrain", "--output", str(tmp_path / "mine.pth"))
    assert done.exit_code == 2
    assert "must end in .safetensors" in done.stderr


def test_exercises_lists_what_the_registry_holds(run):
    rows = json.loads(run("exercises", "--json").stdout)
    text = run("exercises").stdout
    keys = {"name", "chapter", "kind", "points", "aspects", "misconceptions"}
    for row in rows:
        assert set(row) == keys
        assert sum(aspect["weight"] for aspect in row["aspects"]) == row["points"]
        assert f"{row['chapter']}  {row['name']} (" in text
        assert all(misconception in text for misconception in row["misconceptions"])


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["class", "--help"]])
def test_help_succeeds(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: course")


def test_no_command_shows_the_help_and_fails(run):
    done = run()
    assert done.exit_code == 2
    assert "Commands:" in done.stderr


def test_module_is_the_command_and_its_help_imports_nothing_slow():
    code = (
        "import sys, autograder.cli\n"
        "print(sorted({'numpy', 'torch', 'nbgrader', 'jupytext'} & set(sys.modules)))"
    )
    slow = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert slow.stdout == "[]\n"
    helped = subprocess.run(
        [sys.executable, "-m", "autograder", "--help"], capture_output=True, text=True, check=True
    )
    assert "Commands:" in helped.stdout


def test_root_is_named_or_found_above(small_course, tmp_path, monkeypatch):
    inside = small_course / "notebooks" / "ch01"
    inside.mkdir()
    monkeypatch.delenv("COURSE_ROOT", raising=False)
    monkeypatch.chdir(inside)
    assert paths.course_root() == small_course
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_ROOT", str(small_course))
    assert paths.course_root() == small_course
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    with pytest.raises(UsageError, match=r"COURSE_ROOT \(=.*\) must hold solutions/"):
        paths.course_root()


def test_root_falls_back_on_the_installed_project(small_course, tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "PROJECT", small_course)
    assert paths.course_root() == small_course
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    with pytest.raises(CourseError, match="no solutions/ and notebooks/ in"):
        paths.course_root()


def test_lab_serves_the_notebooks_to_this_computer(small_course):
    command = lab.lab_command(small_course, ["--no-browser", "--port=8899"])
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert f"--ServerApp.root_dir={small_course / 'notebooks'}" in command
    assert command[-2:] == ["--no-browser", "--port=8899"]
    assert not any("default_url" in part for part in command)


def test_lab_opens_the_start_page_unless_a_page_is_named(small_course):
    page = small_course / "notebooks" / lab.START_PAGE
    page.parent.mkdir()
    page.write_text("{}")
    opening = f"--LabApp.default_url=/lab/tree/{lab.START_PAGE}"
    assert opening in lab.lab_command(small_course, ["--no-browser"])
    assert opening not in lab.lab_command(small_course, ["playground/playground.ipynb"])


@pytest.mark.parametrize("option", ["--ip=*", "--ServerApp.ip=0.0.0.0", "--ip"])
def test_lab_refuses_to_serve_other_computers(small_course, option):
    with pytest.raises(UsageError, match="served to this computer alone"):
        lab.lab_command(small_course, [option])


def test_lab_wants_no_news_from_the_network():
    settings = json.loads((lab.SETTINGS / "labconfig/page_config.json").read_text())
    assert settings["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"]


def test_scripts_are_put_on_path_once(monkeypatch):
    monkeypatch.setenv("PATH", "elsewhere")
    paths.put_scripts_on_path()
    paths.put_scripts_on_path()
    directories = os.environ["PATH"].split(os.pathsep)
    assert directories[1:] == ["elsewhere"]
    assert os.path.exists(os.path.join(directories[0], "alembic"))
