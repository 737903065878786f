"""JupyterLab on the learner's notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from autograder.paths import UsageError, put_scripts_on_path

START_PAGE = "00_start_here/00_start_here.ipynb"

# Where JupyterLab finds that the course wants no news from the network.
SETTINGS = Path(__file__).with_name("lab_settings")

# Whoever opens the server to other computers needs passwords and certificates: Jupyter's business.
_ADDRESS_OPTIONS = ("--ip", "--ServerApp.ip", "--NotebookApp.ip")


def lab_command(root: Path, arguments: Sequence[str]) -> list[str]:
    """The command that starts JupyterLab on `root`/notebooks, for this computer alone.

    `arguments` are JupyterLab's own; UsageError for one that would open it to other computers.
    """
    for argument in arguments:
        if argument.split("=")[0] in _ADDRESS_OPTIONS:
            raise UsageError(
                f"{argument}: the course is served to this computer alone; "
                "for others, start `jupyter lab` yourself in notebooks/"
            )
    notebooks = root / "notebooks"
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={notebooks}",
    ]
    opens_a_page = any(not argument.startswith("-") for argument in arguments)
    if (notebooks / START_PAGE).exists() and not opens_a_page:
        command.append(f"--LabApp.default_url=/lab/tree/{START_PAGE}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # a container's only user, often
    return [*command, *arguments]


def start_lab(root: Path, arguments: Sequence[str]) -> int:
    """Run JupyterLab until it ends and return its exit status."""
    command = lab_command(root, arguments)
    put_scripts_on_path()
    elsewhere = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(SETTINGS), elsewhere]))
    os.chdir(root / "notebooks")
    if os.name == "posix":
        # In this process's place: Ctrl-C and signals reach JupyterLab itself.
        os.execv(command[0], command)
    return subprocess.call(command)
