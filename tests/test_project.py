"""The repository as a newcomer finds it: what is where, and nothing of anybody's machine."""

import os
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = [
    ".ci/run", "LICENSE", "Makefile", "README.md", "autograder", "constraints.txt", "course_lib",
    "environment.yml", "nbgrader_config.py", "notebooks", "pyproject.toml", "solutions", "tests",
]  # fmt: skip
COMMANDS = ["setup", "lab", "test", "check", "build", "clean", "help"]

# This file, which has to hold them, is left out.
MACHINE = re.compile(
    r"(?<![\w.])/(root|home|Users|work)/\w"
    r"|[A-Z]:\\Users"
    r"|pypi\.org|pythonhosted\.org|download\.pytorch\.org|registry\.npmjs|conda\.anaconda\.org"
)


def project_files():
    """Every file of the project: what .gitignore does not name."""
    ignored = [
        line.strip("/")
        for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            if path.name == ".git" or any(fnmatch(path.name, pattern) for pattern in ignored):
                continue
            if path.is_dir():
                pending.append(path)
            else:
                yield path


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_has_what_the_readme_names(name):
    assert (ROOT / name).exists()
    if name != "README.md":
        assert f"`{name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_make_knows_and_describes_each_command(command):
    described = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True
    )
    assert re.search(rf"^make {command} +\S", described.stdout, flags=re.MULTILINE)
    planned = subprocess.run(["make", "-n", command], cwd=ROOT, capture_output=True, text=True)
    assert planned.returncode == 0, planned.stderr


def test_make_says_in_one_line_which_python_it_needs(tmp_path):
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "The course needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_no_file_knows_a_machine_or_a_registry():
    found = []
    for path in project_files():
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found.extend(f"{path.relative_to(ROOT)}: {hit[0]}" for hit in MACHINE.finditer(text))
    assert found == []


def test_scripts_can_be_run():
    for name in (".ci/run", ".ci/need"):
        assert (ROOT / name).stat().st_mode & 0o111
        subprocess.run(["bash", "-n", ROOT / name], check=True)


def test_missing_program_is_one_line_for_whoever_may_not_install_it(tmp_path):
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci/need", "no-such-program", "bash"],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Missing: no-such-program")
    assert done.stderr.count("\n") == 1


def test_readme_gives_the_commands_that_ci_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    for command in ("make lab", "make test", "conda env create -f environment.yml", "course lab"):
        assert command in readme


def test_command_and_data_are_packaged():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"course": "autograder.cli:main"}
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    for package in ("autograder", "course_lib"):
        for path in (ROOT / package).rglob("*"):
            if path.is_dir() or path.suffix in {".py", ".pyc"}:
                continue
            assert any(fnmatch(path.name, Path(pattern).name) for pattern in patterns), path
