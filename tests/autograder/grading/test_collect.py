"""Submissions are found and read, and nothing in them leads anywhere else."""

import os
import socket
from datetime import datetime

import pytest

from autograder.grading import collect
from autograder.grading.collect import submissions
from autograder.paths import CourseError, UsageError
from autograder.transplant import UnreadableError

CHAPTER = "ch02_output_size"
NAME = f"{CHAPTER}.ipynb"


@pytest.fixture
def place(tmp_path):
    """The directory in which ada's submission lies, in a class where bob handed in too."""
    for student in ("bob", "ada"):
        (tmp_path / "class/submitted" / student / CHAPTER).mkdir(parents=True)
    (tmp_path / "class/submitted/bob" / CHAPTER / NAME).write_bytes(b"bob's own")
    (tmp_path / "elsewhere.ipynb").write_bytes(b"not ada's")
    return tmp_path / "class/submitted/ada" / CHAPTER


def of_ada(place):
    """What is found of ada."""
    (found,) = submissions(place.parents[2], CHAPTER, ["ada"])
    return found


def test_notebooks_are_found_in_order_and_read_when_asked_for(place, monkeypatch):
    (place / NAME).write_bytes(b"ada's own")
    (place / "helpers.py").write_text("")
    (place / "timestamp.txt").write_text("2026-11-20 14:00:00.5+01:00\n")
    (place.parents[1] / "eve/another_chapter").mkdir(parents=True)
    (place.parents[1] / ".DS_Store").write_text("")
    (place.parents[1] / "README.txt").write_text("")
    opened = []
    monkeypatch.setattr(
        collect,
        "_content",
        lambda *args, own=collect._content: opened.append(args[1]) or own(*args),
    )
    ada, bob = submissions(place.parents[2], CHAPTER)
    assert opened == ["timestamp.txt"]
    assert (ada.student, ada.path, ada.problem, ada.notes) == ("ada", place / NAME, None, ())
    assert (ada.timestamp, bob.timestamp) == (datetime(2026, 11, 20, 13, 0, 0, 500_000), None)
    assert (ada.read(), bob.read()) == (b"ada's own", b"bob's own")


def link(place):
    (place / NAME).symlink_to(place.parents[3] / "elsewhere.ipynb")


def link_within(place):
    (place / "mine.ipynb").write_bytes(b"{}")
    (place / NAME).symlink_to("mine.ipynb")


def linked_directory(place):
    place.rmdir()
    place.symlink_to(place.parents[1] / "bob" / CHAPTER)


def linked_student(place):
    place.rmdir()
    place.parent.rmdir()
    place.parent.symlink_to("bob")


def renamed_link(place):
    (place / "mine.ipynb").symlink_to(place.parents[3] / "elsewhere.ipynb")


def server(place):
    # The path of a socket has at most a hundred characters.
    here = os.open(place, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{here}/{NAME}")
    os.close(here)


def large(place):
    (place / NAME).touch()
    os.truncate(place / NAME, collect.MOST_BYTES + 1)


def several(place):
    for name in ("ch02 (1).ipynb", "final.ipynb"):
        (place / name).write_bytes(b"{}")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (link, f"'{NAME}' is a symbolic link, which is not followed"),
        (link_within, f"'{NAME}' is a symbolic link, which is not followed"),
        (renamed_link, "'mine.ipynb' is a symbolic link, which is not followed"),
        (linked_directory, f"'{CHAPTER}' is a symbolic link, which is not followed"),
        (linked_student, "'ada' is a symbolic link, which is not followed"),
        (lambda place: (place / NAME).mkdir(), f"'{NAME}' is a directory"),
        (lambda place: os.mkfifo(place / NAME), f"'{NAME}' is no ordinary file"),
        (server, f"'{NAME}' is no ordinary file"),
        (large, f"'{NAME}' has more than 64 MB: its outputs should be cleared"),
        (
            several,
            f"{NAME} is missing, and there are several others: 'ch02 (1).ipynb', 'final.ipynb'",
        ),
        (lambda place: None, f"{NAME} is missing: nothing was handed in"),
        (
            lambda place: (place / f"{NAME}.txt").touch(),
            f"{NAME} is missing: there is only '{NAME}.txt'",
        ),
        (lambda place: (place.rmdir(), place.touch()), f"'{CHAPTER}' is a file"),
    ],
)
def test_what_is_no_notebook_is_a_problem_in_words(place, make, problem):
    make(place)
    found = of_ada(place)
    assert found.problem == problem
    with pytest.raises(UnreadableError) as error:
        found.read()
    assert str(error.value) == problem
    assert not found.refused


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_not_read(place):
    os.mknod(place / NAME, 0o20666, os.makedev(1, 5))  # /dev/zero
    assert of_ada(place).problem == f"'{NAME}' is no ordinary file"


@pytest.mark.parametrize("make", [link, linked_directory, lambda p: os.mkfifo(p / NAME), large])
def test_what_changes_between_finding_and_reading_is_not_followed(place, make):
    (place / NAME).write_bytes(b"ada's own")
    found = of_ada(place)
    assert found.problem is None
    (place / NAME).unlink()
    make(place)
    with pytest.raises(UnreadableError, match=r"symbolic link|no ordinary file|more than 64 MB"):
        found.read()


def test_a_renamed_notebook_counts_with_a_note(place):
    (place / "ch02 (1).IPYNB").write_bytes(b"ada's own")
    (place / ".ipynb_checkpoints").mkdir()
    found = of_ada(place)
    assert (found.problem, found.read()) == (None, b"ada's own")
    assert found.notes == (f"the notebook was called 'ch02 (1).IPYNB' instead of '{NAME}'",)


def test_a_file_that_grows_while_it_is_read(place):
    (place / NAME).write_bytes(b"12345")
    assert of_ada(place).read(most=5) == b"12345"
    with pytest.raises(UnreadableError, match="has more than 0 MB"):
        of_ada(place).read(most=4)


@pytest.mark.parametrize("text", ["", "yesterday", "é", "2026-13-45", "1" * 300, "9" * 40])
def test_a_timestamp_that_says_nothing_is_a_note(place, text):
    (place / NAME).touch()
    (place / "timestamp.txt").write_text(text, encoding="utf-8")
    found = of_ada(place)
    assert (found.timestamp, found.problem) == (None, None)
    assert found.notes == ("timestamp.txt cannot be read: when this was handed in is not known",)


def test_a_timestamp_behind_a_link_is_not_read(place):
    (place / NAME).touch()
    (place.parents[3] / "time").write_text("2026-11-20 14:00:00 UTC")
    (place / "timestamp.txt").symlink_to(place.parents[3] / "time")
    assert of_ada(place).timestamp is None
    assert len(of_ada(place).notes) == 1


@pytest.mark.parametrize(
    ("name", "shown", "why"),
    [
        (b"\xff\xfe", r"\udcff\udcfe", "no UTF-8 text"),
        (b"a\x1b[2Jb", r"a\x1b[2Jb", "cannot be printed"),
        (b"x" * 201, "x" * 201, "longer than 200 bytes"),
    ],
)
def test_a_directory_that_cannot_be_a_student_is_refused_and_named(place, name, shown, why):
    os.mkdir(os.fsencode(place.parents[1]) + b"/" + name)
    (found,) = [one for one in submissions(place.parents[2], CHAPTER) if one.refused]
    assert found.student == shown
    assert why in found.refused


@pytest.mark.parametrize(
    ("chapter", "students", "message"),
    [
        ("../ch02", [], r"chapter \(=../ch02\) must be a name"),
        ("..", [], "must be a name"),
        (CHAPTER, ["../bob"], r"student \(=../bob\) must be a name"),
        (CHAPTER, ["bob", "zoe"], r"student \(=zoe\) must have handed something in"),
    ],
)
def test_names_that_are_paths_and_students_without_submission(place, chapter, students, message):
    with pytest.raises(UsageError, match=message):
        submissions(place.parents[2], chapter, students)


def test_a_class_without_submissions(tmp_path):
    with pytest.raises(CourseError, match="submitted cannot be read: No such file"):
        submissions(tmp_path, CHAPTER)
