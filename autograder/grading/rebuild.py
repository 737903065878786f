"""The notebook that a submission becomes: the class's own, with the learner's answers put in.

Cells, order, tests and metadata are those of the released notebook; of the learner's there is the
text of the solution cells, made harmless where it is shown as Markdown. The only outputs are ours:
a card below each test cell, and the points, in the one form in which nbgrader reads them.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from autograder.card import as_html, as_text
from autograder.transplant import UNANSWERED, UNWRITTEN, grading_of, text_of
from autograder.verdict import blank

if TYPE_CHECKING:
    from autograder.grading.engine import ExerciseGrade

OUR_FAULT = "This could not be judged, through no fault of yours: somebody will look at it."
NOTES_ID = "remarks-of-the-grader"
# Characters of one cell. What colours code and reads Markdown for nbgrader's pages takes time that
# grows with the square of what somebody thought out for it: a second here, minutes ten times on.
MAX_CODE = 50_000
MAX_MARKDOWN = 20_000
_NOTES_TITLE = "<b>About the notebook that was handed in</b>"
_INVISIBLE = "\u200b"  # a space without width


def rebuild(
    source: Mapping[str, Any],
    sources: Mapping[str, str],
    grades: Sequence[ExerciseGrade],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The autograded notebook: `source` as released, with the learner's `sources` and our cards.

    `source` is the instructor's notebook, `sources` maps the grade ids of solution cells to the
    learner's text; a cell that has none stays as released. `notes` become a cell at the top.
    """
    notebook = released(source)
    for cell in notebook["cells"]:
        grading = grading_of(cell)
        if grading is not None and grading.get("solution") and grading["grade_id"] in sources:
            text = encodable(sources[grading["grade_id"]])
            if cell["cell_type"] == "code":
                cell["source"] = _shortened(text, MAX_CODE, "\n# ")
            else:
                cell["source"] = harmless_markdown(_shortened(text, MAX_MARKDOWN, "\n\n"))
    put_grades(notebook, grades)
    if notes:
        notebook["cells"].insert(0, _notes_cell(notebook, notes))
    return notebook


def put_grades(notebook: dict[str, Any], grades: Iterable[ExerciseGrade]) -> None:
    """Show each grade below its test cell, in place of whatever stood there.

    ``nbgrader.utils.determine_grade`` reads from a test cell what was earned, and zero from one
    that has no grade.
    """
    by_cell = {grade.cell: grade for grade in grades}
    for cell in notebook["cells"]:
        if _is_test(cell):
            cell["outputs"] = _outputs(by_cell.get(cell["metadata"]["nbgrader"]["grade_id"]))


def _is_test(cell: Mapping[str, Any]) -> bool:
    grading = grading_of(cell) or {}
    is_test = bool(grading.get("grade")) and not grading.get("solution")
    return is_test and cell["cell_type"] == "code"


def _outputs(grade: ExerciseGrade | None) -> list[dict[str, Any]]:
    if grade is None:
        text = "this exercise was not judged"
        # nbgrader would take silence for full marks.
        return [{"output_type": "error", "ename": "NotJudged", "evalue": text, "traceback": [text]}]
    card = _card(grade)
    points = {"text/plain": repr(float(grade.earned))}
    return [
        {"output_type": "display_data", "data": card, "metadata": {}},
        # What nbgrader reads as the score: the first result that is a number.
        {"output_type": "execute_result", "data": points, "execution_count": None, "metadata": {}},
    ]


def _card(grade: ExerciseGrade) -> dict[str, str]:
    html, text = grade.card_html, grade.card_text
    if grade.verdict == "grader_error":
        # What went wrong with us is not for learners: it may quote a case, a path, the seed.
        verdict = blank(grade.exercise, grade.points, grade.verdict, OUR_FAULT)
        html, text = as_html(verdict), as_text(verdict)
    return {"text/html": encodable(html), "text/plain": encodable(text)}


def _notes_cell(notebook: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    # One block of HTML: no Markdown in a note is read as such.
    items = "".join(f"<li>{escape(encodable(' '.join(note.split())))}</li>\n" for note in notes)
    cell: dict[str, Any] = {
        "cell_type": "markdown",
        "metadata": {"deletable": False, "editable": False},
        "source": f'<div class="tex2jax_ignore">{_NOTES_TITLE}\n<ul>\n{items}</ul>\n</div>',
    }
    if any("id" in other for other in notebook["cells"]):
        cell["id"] = NOTES_ID
    return cell


# ── as released ─────────────────────────────────────────────────────────────────────────────────


def released(source: Mapping[str, Any]) -> dict[str, Any]:
    """The instructor's notebook as `nbgrader generate_assignment` hands it out.

    Without solutions, hidden tests, marking schemes and outputs; with nbgrader's locks and
    checksums.
    """
    notebook = copy.deepcopy(dict(source))
    notebook["metadata"].pop("celltoolbar", None)
    for cell in notebook["cells"]:
        text = text_of(cell)
        grading = grading_of(cell)
        if grading is not None and grading.get("solution"):
            text = _unsolved(text, is_code=cell["cell_type"] == "code")
        text = _without(text, "HIDDEN TESTS")
        cell["source"] = _without(text, "MARK SCHEME")
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if grading is not None:
            _lock(cell, grading)
    return notebook


def _without(text: str, what: str) -> str:
    return _replaced(text, what, "")[0]


def _unsolved(text: str, *, is_code: bool) -> str:
    stub = UNWRITTEN if is_code else UNANSWERED
    text, found = _replaced(text, "SOLUTION", stub)
    return text if found else stub


def _replaced(text: str, what: str, stub: str) -> tuple[str, bool]:
    """The text with `stub` in place of each ``BEGIN … END`` region; whether there was one."""
    lines: list[str] = []
    inside = found = False
    for line in text.split("\n"):
        if f"BEGIN {what}" in line:
            inside = found = True
            if stub:
                indent = line[: len(line) - len(line.lstrip())]
                lines.append(indent + stub)
        elif f"END {what}" in line:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines), found


def _lock(cell: dict[str, Any], grading: dict[str, Any]) -> None:
    grade, solution = bool(grading.get("grade")), bool(grading.get("solution"))
    locked = not solution and (grade or bool(grading.get("locked")))
    if grade or solution or locked:
        cell["metadata"]["deletable"] = False
        if not solution:
            cell["metadata"]["editable"] = False
        grading["checksum"] = _checksum(cell, grading, grade, solution, locked)
        grading["cell_type"] = cell["cell_type"]


def _checksum(
    cell: Mapping[str, Any], grading: Mapping[str, Any], grade: bool, solution: bool, locked: bool
) -> str:
    # As nbgrader.utils.compute_checksum, without the second that importing nbgrader takes.
    parts = [cell["source"], cell["cell_type"], str(grade), str(solution), str(locked)]
    parts.append(grading["grade_id"])
    if grade:
        parts.append(str(float(grading["points"])))
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


# ── the learner's text ──────────────────────────────────────────────────────────────────────────


def encodable(text: str) -> str:
    """The text as UTF-8 can hold it: a notebook's JSON may name half a character."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _shortened(text: str, most: int, before: str) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}{before}… {len(text) - most:,} more characters are left out here"


# A scheme that runs something, an attachment that is not there: both however they are spelt.
_SCHEME = re.compile(r"(script|data|attachment)(\s*\\?:)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=#|[A-Za-z])")


def harmless_markdown(text: str) -> str:
    """Markdown that shows raw HTML as text and has no link that runs anything.

    nbgrader's pages hand HTML and every link on to the browser of whoever grades. A space without
    width after ``<`` makes it a plain character to each reader, in prose, code and formulas alike,
    where an escape would be seen in two of the three; the same in entities and schemes.

    >>> harmless_markdown("a <b>").encode("ascii", "backslashreplace")
    b'a <\\\\u200bb>'
    """
    text = text.replace("<", f"<{_INVISIBLE}")
    text = _ENTITY.sub(f"&{_INVISIBLE}", text)
    return _SCHEME.sub(rf"\1{_INVISIBLE}\2", text)
