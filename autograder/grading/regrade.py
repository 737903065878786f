"""Some exercises of a submission judged again: their marks change, the others stay."""

from __future__ import annotations

import json
from dataclasses import replace

from autograder.grading.engine import Grade
from autograder.grading.rebuild import put_grades


def merged(old: Grade, new: Grade) -> Grade:
    """The grade `old` with the exercises of `new`, and its notebook with the cards of both.

    Both are of the same submission, class notebook and seed.
    """
    found = {one.exercise: one for one in new.exercises}
    exercises = tuple(found.get(one.exercise, one) for one in old.exercises)
    notebook = json.loads(new.notebook)
    put_grades(notebook, exercises)
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    return replace(new, exercises=exercises, notebook=text)
