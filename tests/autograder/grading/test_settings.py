"""What a class's nbgrader_config.py says is what every way to grade reads."""

import sys

import pytest
from nbgrader.plugins import LateSubmissionPlugin

from autograder.classroom import CONFIGURATION
from autograder.grading.late import PercentPerDay
from autograder.grading.settings import load, seed_of
from autograder.paths import CourseError


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """`configured(text)`: the settings of a class with that nbgrader_config.py."""
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "user"))

    def configure(text, user=None):
        (tmp_path / "class").mkdir(exist_ok=True)
        (tmp_path / "class/nbgrader_config.py").write_text(text, encoding="utf-8")
        if user is not None:
            (tmp_path / "user").mkdir()
            (tmp_path / "user/nbgrader_config.py").write_text(user, encoding="utf-8")
        return load(tmp_path / "class")

    return configure


def test_of_a_new_class(configured, tmp_path):
    own = configured(CONFIGURATION.format(course_id="CNN 1"))
    assert (own.reveal_failing_case, own.sandbox) == (False, True)
    course = own.course(tmp_path / "class")
    assert course.course_id == "CNN 1"
    assert course.db_url == f"sqlite:///{tmp_path / 'class/gradebook.db'}"
    policy = own.late_policy()
    assert type(policy) is LateSubmissionPlugin
    assert policy.late_submission_penalty("ada", 20.0, 1e6) is None


def test_with_the_offered_policy_taken(configured):
    text = CONFIGURATION.format(course_id="class")
    for line in text.splitlines():
        if line.startswith("# c."):
            text = text.replace(line, line.removeprefix("# "))
    policy = configured(text).late_policy()
    assert type(policy) is PercentPerDay
    assert (policy.percent, policy.grace_minutes, policy.most) == (10, 15, 50)


def test_said_otherwise(configured):
    own = configured(
        "c = get_config()\n"
        "c.CourseGrading.reveal_failing_case = True\n"
        "c.CourseGrading.sandbox = False\n"
        "c.LateSubmissionPlugin.penalty_method = 'zero'\n"
    )
    assert (own.reveal_failing_case, own.sandbox) == (True, False)
    assert own.late_policy().late_submission_penalty("ada", 20.0, 1.0) == 20.0


def test_a_policy_of_the_classs_own(configured, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "class").mkdir()
    (tmp_path / "class/ours_when_late.py").write_text(
        "from nbgrader.plugins import BasePlugin\n\n\nclass Half(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return score / 2\n"
    )
    own = configured("c.AssignLatePenalties.plugin_class = 'ours_when_late.Half'")
    assert own.late_policy().late_submission_penalty("ada", 20.0, 1.0) == 10.0
    sys.modules.pop("ours_when_late")


@pytest.mark.parametrize("name", ["no_module.Late", "autograder.grading.late.Nobody", "json.loads"])
def test_a_policy_that_is_none(configured, name):
    own = configured(f"c.AssignLatePenalties.plugin_class = {name!r}")
    with pytest.raises(CourseError, match="what lateness costs"):
        own.late_policy()


def test_lateness_turned_off(configured):
    assert configured("c.AssignLatePenalties.enabled = False").late_policy() is None


def test_the_class_has_the_last_word(configured):
    own = configured(
        "c.CourseGrading.sandbox = True",
        user="c.CourseGrading.sandbox = False\nc.CourseGrading.reveal_failing_case = True",
    )
    assert (own.reveal_failing_case, own.sandbox) == (True, True)


def test_no_configuration_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    own = load(tmp_path)
    assert (own.reveal_failing_case, own.sandbox) == (False, True)


@pytest.mark.parametrize("text", ["c.CourseGrading.sandbox = = 1", "1 / 0", "import nothing_here"])
def test_a_configuration_that_fails(configured, text):
    with pytest.raises(CourseError, match=r"nbgrader_config.py cannot be read: .+"):
        configured(text)


def test_a_value_that_cannot_be(configured):
    with pytest.raises(CourseError, match="sandbox"):
        configured("c.CourseGrading.sandbox = 'perhaps'")


@pytest.mark.parametrize(("text", "seed"), [("17", 17), (f" {2**32 - 1}\n", 2**32 - 1)])
def test_the_secret_number(tmp_path, text, seed):
    (tmp_path / "grading").mkdir()
    (tmp_path / "grading/seed").write_text(text)
    assert seed_of(tmp_path) == seed


@pytest.mark.parametrize("text", [None, "", "-1", str(2**32), "12 13", "é"])
def test_no_secret_number(tmp_path, text):
    (tmp_path / "grading").mkdir()
    if text is not None:
        (tmp_path / "grading/seed").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=r"seed (cannot be read|must hold)"):
        seed_of(tmp_path)
