"""The doctor finds what is there, what is not, and says what to do about it."""

import os
import subprocess
import sys
from importlib import metadata

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from autograder import cli, doctor


def finding(text):
    return doctor._package(Requirement(text))


def script(directory, name, text):
    """A program called `name` that does what `text` says."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_package_that_is_here():
    found = finding("click>=8")
    assert found.ok
    assert found.needed
    assert found.found == metadata.version("click")
    assert not found.remedy


def test_package_that_is_missing():
    found = finding("no-such-package>=3")
    assert (found.ok, found.found) == (False, "missing")
    assert found.remedy.startswith(f"{sys.executable} -m pip install ")
    assert found.remedy.endswith('"no-such-package>=3"')


def test_package_that_is_too_old():
    found = finding("click>=999")
    assert not found.ok
    assert "must be >=999" in found.found
    assert '"click>=999"' in found.remedy


def test_package_that_does_not_import(monkeypatch):
    def broken(name):
        raise OSError(f"{name}: a library is missing\nand more")

    monkeypatch.setattr("autograder.doctor.importlib.import_module", broken)
    found = finding("click>=8")
    assert not found.ok
    assert found.found.endswith("does not import: OSError: click: a library is missing")
    assert "--force-reinstall" in found.remedy


def test_package_of_an_extra_is_optional():
    found = finding('no-such-package; extra == "pretrained"')
    assert not found.needed
    assert found.purpose == "ImageNet backbones"


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap exists on Linux only")
@pytest.mark.parametrize(
    ("text", "ok", "says"),
    [
        (None, False, "missing"),
        ("echo bubblewrap 9.9", True, "bubblewrap 9.9, tried"),
        ("echo 'bwrap: no permission' >&2; exit 1", False, "it fails (bwrap: no permission)"),
    ],
)
def test_bubblewrap_is_tried(tmp_path, monkeypatch, text, ok, says):
    if text is not None:
        script(tmp_path, "bwrap", text)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = doctor._bubblewrap()
    assert (found.ok, found.needed) == (ok, False)
    assert says in found.found
    assert bool(found.remedy) != ok


def test_program_under_any_of_its_names(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    names = ("chromium", "google-chrome")
    found = doctor._program("Chromium", names, "chromium", "tests")
    assert (found.ok, found.found) == (False, "missing")
    assert "chromium" in found.remedy
    script(tmp_path, "google-chrome", "echo Chrome 1.2")
    found = doctor._program("Chromium", names, "chromium", "tests")
    assert (found.ok, found.found) == (True, "Chrome 1.2")


def test_report_sums_up():
    good = doctor.Finding("numpy", True, True, "the course", "2.0")
    bad = doctor.Finding("torch", False, True, "the course", "missing", "pip install torch")
    optional = doctor.Finding("node", False, False, "the tests", "missing", "get node")
    text = doctor.report([good, optional])
    assert text.endswith("Everything that a learner needs is here.")
    assert "– node" in text
    assert "(the tests)" in text
    text = doctor.report([good, bad])
    assert text.endswith("Not ready: torch.")
    assert "→ pip install torch" in text


def test_command_looks_at_every_requirement_and_succeeds_here(small_course):
    page = small_course / "notebooks/ch01/ch01.ipynb"
    page.parent.mkdir()
    page.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "doctor"],
        env={**os.environ, "COURSE_ROOT": str(small_course)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    for requirement in metadata.requires(doctor.DISTRIBUTION):
        assert Requirement(requirement).name in done.stdout


def test_status_is_1_where_something_needed_is_missing(monkeypatch):
    missing = doctor.Finding("torch", False, True, "the course", "missing", "pip install torch")
    optional = doctor.Finding("node", False, False, "the tests", "missing", "get node")
    monkeypatch.setattr(doctor, "examine", lambda: [optional])
    assert CliRunner().invoke(cli.main, ["doctor"]).exit_code == 0
    monkeypatch.setattr(doctor, "examine", lambda: [missing, optional])
    assert CliRunner().invoke(cli.main, ["doctor"]).exit_code == 1


def test_course_without_notebooks_is_not_ready(small_course, monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", str(small_course))
    found = doctor._course_files()
    assert (found.ok, found.needed, found.remedy) == (False, True, "course build")
