"""What importing the library loads, seen from a fresh interpreter."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "matplotlib", "skimage", "sklearn", "scipy", "IPython", "ipywidgets", "anywidget"}

STATEMENTS = [
    "import course_lib",
    "import course_lib.ops, course_lib.geometry, course_lib.cost, course_lib.data",
    "import course_lib.data; course_lib.data.photograph_names()",
]


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in `sys.modules` after the statement ran in a new interpreter."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(answer.stdout)}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_importing_loads_numpy_and_nothing_heavy(statement):
    loaded = loaded_by(statement)
    assert "numpy" in loaded
    assert loaded & HEAVY == set()


def test_the_probe_does_see_a_heavy_package():
    assert "matplotlib" in loaded_by("import matplotlib")


def test_the_light_modules_come_with_the_package():
    code = "import course_lib as c; print(c.ops.pad2d([[7]], 0)[0, 0], c.cost.fc_params(2, 3))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["7", "9"]
