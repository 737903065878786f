"""Records are whole or absent, and the verdict file depends on nothing but the verdicts."""

import errno
import importlib
import json
import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from autograder.grading import record
from autograder.grading.engine import Task
from autograder.grading.record import Record
from autograder.paths import CourseError

CHAPTER = "ch99_sums"


@pytest.fixture(scope="module")
def grade():
    """A grade as the fake judge gives it."""
    here = str(Path(__file__).parent)
    sys.path.insert(0, here)
    judge = importlib.import_module("fake_class").judge
    sys.path.remove(here)
    return judge(Task("ada", CHAPTER, b"source", b"total 1\nmean 0.1", notes=("héllo \ud800",)))


def test_a_record_comes_back_as_it_was(grade, tmp_path):
    whole = Record(grade, "digest", True, datetime(2026, 11, 20, 14, 0, 0, 5), True, "ed", "run")
    record.save(tmp_path, whole)
    found = record.load(tmp_path, CHAPTER, "ada")
    assert found == replace(whole, grade=replace(grade, notebook=""))
    assert record.recorded(tmp_path, CHAPTER) == ["ada"]
    # The class's secret number is in it.
    assert record.record_path(tmp_path, CHAPTER, "ada").stat().st_mode & 0o077 == 0
    assert record.load(tmp_path, CHAPTER, "bob") is None
    assert record.recorded(tmp_path, "another") == []


def test_a_damaged_record_counts_as_absent(grade, tmp_path):
    record.save(tmp_path, Record(grade, "digest"))
    path = record.record_path(tmp_path, CHAPTER, "ada")
    text = path.read_text()
    for end in (*range(0, len(text) - 1, 97), len(text) - 1):
        path.write_text(text[:end])
        assert record.load(tmp_path, CHAPTER, "ada") is None, end
    data = json.loads(text)
    for wrong in ([], {}, {**data, "format": 2}, {**data, "grade": None}, {**data, "more": 1}):
        path.write_text(json.dumps(wrong))
        assert record.load(tmp_path, CHAPTER, "ada") is None, wrong
    path.write_bytes(b"\x00" * len(text))
    assert record.load(tmp_path, CHAPTER, "ada") is None
    path.write_text("[" * 100_000)
    assert record.load(tmp_path, CHAPTER, "ada") is None
    path.rename(path.with_name("bob.json"))
    path.with_name("bob.json").write_text(text)
    assert record.load(tmp_path, CHAPTER, "bob") is None


@pytest.mark.parametrize("name", ["../ada", "..", "a/b", ""])
def test_a_name_that_is_a_path_is_none(tmp_path, name):
    for path in (record.record_path, record.notebook_path):
        with pytest.raises(CourseError, match="cannot be part of a path"):
            path(tmp_path, CHAPTER, name)


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
def test_what_cannot_be_written_leaves_the_former_content(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    record.write_file(path, b"former")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "write":
        monkeypatch.setattr("builtins.open", lambda fd, mode: Full(fd))
    else:
        monkeypatch.setattr(os, step, full)
    with pytest.raises(CourseError, match="file cannot be written: No space left on device"):
        record.write_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"former"
    assert sorted(os.listdir(tmp_path)) == ["file"]


class Full:
    """A file on a disk that is full."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.descriptor)

    def write(self, data):
        os.write(self.descriptor, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".file.part").symlink_to("precious")
    with pytest.raises(CourseError, match="file cannot be written"):
        record.write_file(tmp_path / "file", b"new")
    assert (tmp_path / "precious").read_text() == "mine"


def test_the_verdict_file_is_sorted_and_knows_no_time_and_no_words_of_learners(grade, tmp_path):
    for student in ("zoe", "Ada", "eve"):
        own = replace(grade, student=student, seconds={"run": 1.0})
        record.save(tmp_path, Record(own, "digest", run=student))
    path = record.write_verdicts(tmp_path, CHAPTER)
    assert path.stat().st_mode & 0o077 == 0
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["student"] for line in lines] == ["Ada", "eve", "zoe"]
    assert lines[0]["exercises"][1] == {
        "exercise": "mean", "cell": "test_mean", "verdict": "wrong", "score": 0.1, "points": 2.0,
        "earned": 0.2, "aspects": [["all", 1.0, False]], "misconception": None,
    }  # fmt: skip
    assert (lines[0]["earned"], lines[0]["points"]) == (3.2, 5)
    assert "10% of mean" not in text

    for student in ("zoe", "Ada", "eve"):
        message = replace(grade.exercises[0], message="another", card_html="", card_text="")
        exercises = (message, *grade.exercises[1:])
        own = replace(grade, student=student, seconds={"run": 9.0}, exercises=exercises)
        record.save(tmp_path, Record(own, "other", entered=True, edition="new"))
    assert record.write_verdicts(tmp_path, CHAPTER).read_text() == text
