"""The build: the same bytes from the same source, nbgrader's own release, faults in one line."""

import json
import os

import nbformat
import pytest

from autograder import build
from autograder.paths import CourseError

GENERATED = [
    "autograder/exercises/solutions.json",
    "notebooks/ch01_doubling/ch01_doubling.ipynb",
    "notebooks/playground/playground.ipynb",
    "solutions/ch01_doubling/ch01_doubling.ipynb",
    "solutions/playground/playground.ipynb",
]
CHAPTER = "solutions/ch01_doubling/ch01_doubling.py"
TEST_CELL = '"grade_id": "test_double"'


def edit(root, old, new):
    """Replace a text that stands once in the chapter's source."""
    source = (root / CHAPTER).read_text(encoding="utf-8")
    assert source.count(old) == 1
    (root / CHAPTER).write_text(source.replace(old, new), encoding="utf-8")


def cells(root, name):
    notebook = nbformat.read(root / name, as_version=4)
    nbformat.validate(notebook)
    return {cell.id: cell for cell in notebook.cells}


def test_writes_every_generated_file_and_only_once(small_course, points):
    assert build.build(small_course, points) == GENERATED
    assert build.build(small_course, points) == []
    assert build.check(small_course, points) == []


def test_same_bytes_at_another_time_and_place(small_course, points, tmp_path):
    first = build.generate(small_course, points)
    moved = tmp_path / "a course elsewhere"
    small_course.rename(moved)
    os.utime(moved / CHAPTER, (0, 0))
    assert build.generate(moved, points) == first
    assert all(content.endswith(b"\n") for content in first.values())


def test_learners_edition_holds_neither_solution_nor_hidden_test(small_course, points):
    build.build(small_course, points)
    released = cells(small_course, "notebooks/ch01_doubling/ch01_doubling.ipynb")
    assert released["double"].source.endswith('    raise NotImplementedError("your code here")')
    assert released["test_double"].source == "assert double(2) == 4"
    assert released["test_double"].metadata.nbgrader.checksum
    assert not released["double"].metadata.deletable

    taught = cells(small_course, "solutions/ch01_doubling/ch01_doubling.ipynb")
    assert "return 2 * n" in taught["double"].source
    assert "assert double(-1) == -2" in taught["test_double"].source
    assert list(taught) == list(released)


def test_cells_are_named_by_grade_id_or_place(small_course, points):
    build.build(small_course, points)
    named = cells(small_course, "solutions/ch01_doubling/ch01_doubling.ipynb")
    assert list(named) == [
        "start-1", "setup", "setup-1", "double", "test_double", "test_double-1",
    ]  # fmt: skip


def test_only_the_instructors_notebook_is_paired(small_course, points):
    build.build(small_course, points)
    for edition, paired in (("solutions", True), ("notebooks", False)):
        path = small_course / edition / "playground/playground.ipynb"
        metadata = nbformat.read(path, as_version=4).metadata
        assert ("jupytext" in metadata) == paired
        assert metadata.course.generated_from == "solutions/playground/playground.py"


def test_solutions_without_their_marks(small_course, points):
    build.build(small_course, points)
    shown = json.loads((small_course / build.SOLUTIONS_JSON).read_text(encoding="utf-8"))
    assert list(shown) == ["double"]
    namespace = {}
    exec(shown["double"], namespace)
    assert namespace["double"](21) == 42
    assert "SOLUTION" not in shown["double"]


def test_pictures_beside_a_source_are_released(small_course, points):
    (small_course / "solutions/ch01_doubling/two.svg").write_text("<svg/>")
    assert "notebooks/ch01_doubling/two.svg" in build.build(small_course, points)


def test_check_names_what_is_missing_stale_or_without_source(small_course, points):
    build.build(small_course, points)
    (small_course / GENERATED[1]).unlink()
    stale = small_course / GENERATED[3]
    stale.write_bytes(stale.read_bytes() + b"\n")
    extra = small_course / "notebooks/ch99_gone/ch99_gone.ipynb"
    extra.parent.mkdir()
    extra.write_text("{}")
    assert build.check(small_course, points) == [
        f"{GENERATED[1]} is missing: run `course build`",
        f"{GENERATED[3]} is not what its source builds: run `course build`",
        "notebooks/ch99_gone/ch99_gone.ipynb has no source: delete it, or add the source",
    ]


def test_check_sees_a_changed_source_and_writes_nothing(small_course, points):
    build.build(small_course, points)
    edit(small_course, "return 2 * n", "return n + n")
    before = {name: (small_course / name).read_bytes() for name in GENERATED}
    # What learners see is the same; what instructors and `solution()` show is not.
    assert [line.split()[0] for line in build.check(small_course, points)] == [
        GENERATED[0],
        GENERATED[3],
    ]
    assert before == {name: (small_course / name).read_bytes() for name in GENERATED}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"grade_id": "setup"', '"grade_id": "double"', "cell 'double' is there twice"),
        ('"grade_id": "setup"', '"grade_id": "set up"', "grade_id (='set up') must be"),
        ('"points": 3', '"points": 4', "gives points (=4), the exercise has 3"),
        ('"points": 3, ', "", "gives points (=None), the exercise has 3"),
        (TEST_CELL, '"grade_id": "double_test"', "must be called test_ and the exercise's name"),
        (TEST_CELL, '"grade_id": "test_triple"', "has no exercise: none is called 'triple'"),
        (TEST_CELL, '"grade_id": "test_triple"', "has no solution cell 'triple' before it"),
        ("    ### BEGIN SOLUTION\n", "", "'double' has no BEGIN SOLUTION … END SOLUTION region"),
        ("    ### END SOLUTION\n", "", "'double' has no BEGIN SOLUTION … END SOLUTION region"),
        ("math.sqrt(2)", "### BEGIN SOLUTION\n1\n### END SOLUTION", "no nbgrader metadata"),
        ('"task": false}\nimport math', '"task": true}\nimport math', "nbgrader cannot generate"),
    ],
)  # fmt: skip
def test_fault_is_one_line_with_its_source(small_course, points, old, new, fault):
    edit(small_course, old, new)
    with pytest.raises(CourseError) as raised:
        build.build(small_course, points)
    matching = [line for line in str(raised.value).splitlines() if fault in line]
    assert len(matching) == 1
    assert matching[0].startswith((f"{CHAPTER}: ", "nbgrader "))
    assert not (small_course / GENERATED[0]).exists()


def test_one_exercise_in_two_chapters(small_course, points):
    source = (small_course / CHAPTER).read_text(encoding="utf-8")
    (small_course / "solutions/playground/playground.py").write_text(source, encoding="utf-8")
    with pytest.raises(CourseError, match=r"playground\.py: 'double' is solved in another chapter"):
        build.build(small_course, points)


def test_directory_without_its_source(small_course, points):
    (small_course / "solutions/ch02_empty").mkdir()
    with pytest.raises(CourseError, match=r"solutions/ch02_empty/ch02_empty\.py is missing"):
        build.build(small_course, points)
