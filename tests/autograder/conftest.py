"""A course of two small chapters, which needs nothing but Python to run."""

import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

"""

DOUBLING = '''\
# %% [markdown]
# # Doubling
# Put a finger on 2 …

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

# %%
math.sqrt(2)


# %% nbgrader={"grade": false, "grade_id": "double", "locked": false, "schema_version": 3, "solution": true, "task": false}
def double(n):
    """Twice n."""
    ### BEGIN SOLUTION
    return 2 * n
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_double", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
assert double(2) == 4
### BEGIN HIDDEN TESTS
assert double(-1) == -2
### END HIDDEN TESTS

# %%
print("the end")
'''  # noqa: E501

PLAYGROUND = """\
# %% [markdown]
# # Playground

# %%
6 * 7
"""


@pytest.fixture
def small_course(tmp_path: Path) -> Path:
    """The root of a course with a graded chapter and a notebook that grades nothing."""
    root = tmp_path / "course"
    for chapter, source in (("ch01_doubling", DOUBLING), ("playground", PLAYGROUND)):
        directory = root / "solutions" / chapter
        directory.mkdir(parents=True)
        (directory / f"{chapter}.py").write_text(HEADER + source, encoding="utf-8")
    (root / "notebooks").mkdir()
    shutil.copy(PROJECT / "nbgrader_config.py", root)
    return root


@pytest.fixture
def points():
    """The points of the small course's exercises, by name."""
    return {"double": 3}.__getitem__
