"""What Canvas and Moodle let one download, taken in by nbgrader's own command."""

import os
import subprocess
import sys
import sysconfig
import unicodedata
import zipfile
from pathlib import PurePath

import pytest

from autograder import classroom
from autograder.grading.zip_names import read_name

CHAPTER = "ch01_doubling"


@pytest.mark.parametrize(
    ("path", "name", "user", "within"),
    [
        ("onestudent_12345_678901_a.ipynb", "onestudent", "12345", "a.ipynb"),
        ("onestudent_LATE_12345_678901_a_b-1.ipynb", "onestudent", "12345", "a_b-1.ipynb"),
        ("obriençelikmaría_7_8_a.ipynb", "obriençelikmaría", "7", "a.ipynb"),
        ("group1_123_456_a.ipynb", "group1", "123", "a.ipynb"),
        ("007_123_456_a.ipynb", "007", "123", "a.ipynb"),
        ("anon_Ab3dE_456_a.ipynb", "", "anon_Ab3dE", "a.ipynb"),
        ("LATE_anon_Ab3dE_456_a.ipynb", "", "anon_Ab3dE", "a.ipynb"),
        ("submissions/onestudent_1_2_x.ipynb", "onestudent", "1", "x.ipynb"),
        ("onestudent_1_2_work/deep/x.ipynb", "onestudent", "1", "x.ipynb"),
        ("One Student_1_assignsubmission_file_/x.ipynb", "One Student", "1", "x.ipynb"),
        ("One Student_1_assignsubmission_file/a/x.ipynb", "One Student", "1", "x.ipynb"),
        ("One Student_1_assignsubmission_file_x_y.ipynb", "One Student", "1", "x_y.ipynb"),
        ("Ó Néill, María-José d'Aça_1_assignsubmission_file_x.ipynb",
         "Ó Néill, María-José d'Aça", "1", "x.ipynb"),
        ("Team 3-One Student_1_assignsubmission_file_/x.ipynb",
         "Team 3-One Student", "1", "x.ipynb"),
        # Names that a student chose do not change whose work it is.
        ("One_1_assignsubmission_file_/Two_2_assignsubmission_file_/x.ipynb",
         "One", "1", "x.ipynb"),
        ("one_1_2_Two_3_assignsubmission_file_x.ipynb", "one", "1",
         "Two_3_assignsubmission_file_x.ipynb"),
        ("submissions/one_1_2_b_12_34_x.ipynb", "one", "1", "b_12_34_x.ipynb"),
        ("submissions/one_1_2_work/b_12_34_x.ipynb", "one", "1", "b_12_34_x.ipynb"),
        ("C-2/One_1_assignsubmission_file_/b_12_34_x.ipynb", "One", "1", "b_12_34_x.ipynb"),
    ],
)  # fmt: skip
def test_names(path, name, user, within):
    found = read_name(PurePath(path))
    assert (found.name, found.user, found.within) == (name, user, within)
    assert found.late == ("LATE_" in path)


@pytest.mark.parametrize("path", ["ch01.ipynb", "ada/ch01_doubling.ipynb", "ch_01_x.ipynb"])
def test_other_names_say_nothing(path):
    assert read_name(PurePath(path)) is None


@pytest.fixture
def class_dir(tmp_path):
    """What zip_collect needs of a class: its settings, and a chapter released."""
    settings = classroom.CONFIGURATION.format(course_id="class")
    (tmp_path / "nbgrader_config.py").write_text(settings)
    (tmp_path / "release" / CHAPTER).mkdir(parents=True)
    (tmp_path / "release" / CHAPTER / f"{CHAPTER}.ipynb").write_text("{}")
    (tmp_path / "submitted").mkdir()
    return tmp_path


def archive(class_dir, names, called="submissions.zip"):
    """An archive as a site makes it; each file holds its own name."""
    path = class_dir / "downloaded" / CHAPTER / "archive" / called
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, name)


def zip_collect(class_dir):
    """Run nbgrader's command; its exit status and what it says."""
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "zip_collect", CHAPTER],
        cwd=class_dir,
        env={**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


def collected(class_dir):
    """Student → name of the notebook → the name that it had in the archive."""
    return {
        student.name: {p.name: p.read_text() for p in (student / CHAPTER).iterdir()}
        for student in sorted((class_dir / "submitted").iterdir())
    }


def test_canvas(class_dir):
    names = [
        f"onestudent_101_9001_{CHAPTER}.ipynb",
        f"twostudent_LATE_102_9002_{CHAPTER}-1.ipynb",
        # Two uploads, and the later one has the number.
        f"threestudent_103_9003_{CHAPTER}.ipynb",
        f"threestudent_103_9009_{CHAPTER}-2.ipynb",
        # Another of the same name.
        f"onestudent_104_9004_{CHAPTER} (1).ipynb",
        "obrienséan_105_9005_my homework.ipynb",
        "onestudent_101_9006_notes.pdf",
        "ada.ipynb",
    ]
    archive(class_dir, names)
    status, said = zip_collect(class_dir)
    assert status == 0, said
    right = f"{CHAPTER}.ipynb"
    assert collected(class_dir) == {
        "101": {right: names[0]},
        "102": {right: names[1]},
        "103": {right: names[3]},
        "104": {right: names[4]},
        "105": {"my homework.ipynb": names[5]},
    }
    assert f"There is a later upload than {names[2]}" in said
    late = [line for line in said.splitlines() if "Late, says Canvas" in line]
    assert len(late) == 1
    assert late[0].endswith("holds the time: 102 (twostudent)")
    assert "Neither Canvas nor Moodle gives such names: ada.ipynb" in said


def test_moodle(class_dir):
    apart = unicodedata.normalize("NFD", "Séan O'Brien")
    names = [
        f"Student One_501_assignsubmission_file_/{CHAPTER}.ipynb",
        f"{apart}_502_assignsubmission_file_/{CHAPTER}.ipynb",
        f"Student García Pérez, Two_503_assignsubmission_file_{CHAPTER}.ipynb",
        # Two people of one name.
        f"Student Same_504_assignsubmission_file_/{CHAPTER}.ipynb",
        f"Student Same_505_assignsubmission_file_/{CHAPTER}(1).ipynb",
        "Student One_501_assignsubmission_onlinetext_/onlinetext.html",
    ]
    archive(class_dir, names)
    status, said = zip_collect(class_dir)
    assert status == 0, said
    assert collected(class_dir) == {
        student: {f"{CHAPTER}.ipynb": name}
        for student, name in zip(
            ["Student One", "Séan O'Brien", "Student García Pérez, Two", "Student Same 504",
             "Student Same 505"],
            names, strict=False,
        )
    }  # fmt: skip


def test_an_archive_that_is_called_like_a_student_is_refused(class_dir):
    names = [f"onestudent_101_9001_{CHAPTER}.ipynb", f"twostudent_102_9002_{CHAPTER}.ipynb"]
    archive(class_dir, names, "cnn_2026_12_submissions.zip")
    status, said = zip_collect(class_dir)
    assert status != 0
    assert "give the archive another name" in said
    assert collected(class_dir) == {}
