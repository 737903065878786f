"""What the course needs, whether it is here, and which command installs it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from autograder.paths import PROJECT, CourseError, course_root

DISTRIBUTION = "cnn-course"
OLDEST_PYTHON = (3, 11)

# Where the name to import is not the name to install.
_IMPORT_NAMES = {"scikit-learn": "sklearn", "scikit-image": "skimage", "pytest-xdist": "xdist"}

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    `purpose` says who needs it; `found` what is here (a version, or what is wrong); `remedy` the
    command that puts it right, empty where nothing is to be done.
    """

    name: str
    ok: bool
    needed: bool
    purpose: str
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look for everything that the course can use, what is needed first."""
    findings = [_python(), _course_files()]
    for text in sorted(metadata.requires(DISTRIBUTION) or ()):
        findings.append(_package(Requirement(text)))
    findings.append(_alembic())
    findings.append(_program("Node.js", ("node",), "nodejs", "the tests of the explorers"))
    findings.append(_program("Chromium", _CHROMIUM, "chromium", "the tests in a browser"))
    findings += [_bubblewrap(), _limits()]
    return sorted(findings, key=lambda finding: not finding.needed)


def report(findings: list[Finding]) -> str:
    """The findings as a table for a terminal, then one line that sums them up."""
    width = max(len(finding.name) for finding in findings)
    lines = list(_table(findings, width))
    missing = [finding.name for finding in findings if finding.needed and not finding.ok]
    if missing:
        lines.append(f"Not ready: {', '.join(missing)}.")
    else:
        lines.append("Everything that a learner needs is here.")
    return "\n".join(lines)


def _table(findings: list[Finding], width: int) -> Iterator[str]:
    for needed, title in ((True, "Needed to learn"), (False, "Optional")):
        yield title
        for finding in findings:
            if finding.needed != needed:
                continue
            sign = "✓" if finding.ok else ("✗" if needed else "–")
            purpose = "" if needed else f" ({finding.purpose})"
            yield f"  {sign} {finding.name:<{width}}  {finding.found}{purpose}"
            if finding.remedy:
                yield f"    {'':<{width}}  → {finding.remedy}"
        yield ""


def _python() -> Finding:
    ok = sys.version_info >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Finding(
        "Python",
        ok,
        True,
        "the course",
        f"{platform.python_version()} at {sys.executable}",
        "" if ok else f"install Python {oldest} or newer, then: make setup PYTHON=python{oldest}",
    )


def _course_files() -> Finding:
    try:
        root = course_root()
    except CourseError as error:
        return Finding("notebooks", False, True, "the course", str(error), "cd to the course")
    count = len(list((root / "notebooks").glob("*/*.ipynb")))
    remedy = "" if count else "course build"
    return Finding("notebooks", count > 0, True, "the course", f"{count} in {root}", remedy)


_PURPOSES = {
    "cluster": "grading on many machines",
    "pretrained": "ImageNet backbones",
    "dev": "the course's own tests",
}


def _package(requirement: Requirement) -> Finding:
    """A Python package: its version, and whether it imports."""
    extra = next((name for name in _PURPOSES if f'"{name}"' in str(requirement.marker)), "")
    needed = requirement.marker is None
    purpose = _PURPOSES.get(extra, "the course")
    name = requirement.name
    remedy = _pip(f'"{name}{requirement.specifier}"')
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, False, needed, purpose, "missing", remedy)
    if not requirement.specifier.contains(version, prereleases=True):
        found = f"{version}, must be {requirement.specifier}"
        return Finding(name, False, needed, purpose, found, remedy)
    if needed:  # what is optional is not worth the seconds that importing costs
        try:
            importlib.import_module(_IMPORT_NAMES.get(name, name))
        except Exception as error:  # a broken package may raise anything at all
            found = f"{version}, but it does not import: {type(error).__name__}: {error}"
            reinstall = _pip(f'--force-reinstall --no-deps "{name}"')
            return Finding(name, False, needed, purpose, found.splitlines()[0], reinstall)
    return Finding(name, True, needed, purpose, version)


def _pip(arguments: str) -> str:
    constraints = PROJECT / "constraints.txt"
    pinned = f"-c {_quoted(constraints)} " if constraints.exists() else ""
    return f"{_quoted(Path(sys.executable))} -m pip install {pinned}{arguments}"


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)


def _alembic() -> Finding:
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("alembic")
    return Finding(
        "alembic",
        found is not None,
        False,
        "nbgrader, to make a gradebook",
        found or "not on PATH",
        "" if found else f'export PATH="{scripts}:$PATH"  (or activate the environment)',
    )


def _program(name: str, commands: tuple[str, ...], package: str, purpose: str) -> Finding:
    """A program on PATH, under any of its names."""
    for command in commands:
        path = shutil.which(command)
        if path:
            return Finding(name, True, False, purpose, _version(path) or path)
    return Finding(name, False, False, purpose, "missing", _system_install(package))


def _version(path: str) -> str:
    """What a program says when it is asked for its version; empty where it says nothing."""
    done = _run([path, "--version"])
    return done.stdout.strip().split("\n")[0] if done is not None and not done.returncode else ""


def _bubblewrap() -> Finding:
    """The sandbox: present is not enough, since a system may forbid what it does."""
    from autograder.sandbox import bubblewrap

    name, purpose = "bubblewrap", "grading strangers' code, on Linux"
    reason = bubblewrap.why_not()
    if reason is None:
        version = _version(shutil.which("bwrap") or "bwrap")
        return Finding(name, True, False, purpose, f"{version}, tried")
    if sys.platform == "linux" and shutil.which("bwrap") is None:
        return Finding(name, False, False, purpose, "missing", _system_install("bubblewrap"))
    return Finding(name, False, False, purpose, reason.problem, reason.remedy)


def _limits() -> Finding:
    """What of a sandbox's limits the kernel enforces here."""
    from autograder.sandbox import bubblewrap

    name, purpose = "sandbox limits", "grading strangers' code, on Linux"
    if bubblewrap.why_not() is not None:
        return Finding(name, False, False, purpose, "no sandbox, no limits")
    lacking = bubblewrap.not_enforced()
    if not lacking:
        found = "memory, processor time, processes, disk, open files, output, time"
        return Finding(name, True, False, purpose, found)
    remedy = "run as root, or in a delegated control group, for all of them"
    return Finding(name, False, False, purpose, f"not enforced: {'; '.join(lacking)}", remedy)


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a program that should take a moment; None where it does not end or cannot start."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _system_install(package: str) -> str:
    """The command that installs a package of the system."""
    if Path("/etc/debian_version").exists():
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        return f"{'' if root else 'sudo '}apt-get install {package}"
    if sys.platform == "darwin":
        return {"nodejs": "brew install node"}.get(package, f"brew install --cask {package}")
    if sys.platform == "win32":
        return {"nodejs": "conda install nodejs"}.get(package, f"install {package}")
    return f"install {package} with your system's package manager"
