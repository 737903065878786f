import doctest

import numpy as np
import pytest

from autograder import compare as module
from autograder.compare import compare, name_type, show
from autograder.plain import Opaque

A = np.arange(6.0).reshape(2, 3)


def test_doctests() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (3, 3),
        (3, np.array(3)),
        (1 / 3, np.array(1 / 3, np.float32)),
        (3.0, 3),
        (3.0, np.array(3.0)),
        (float("nan"), float("nan")),
        (float("inf"), float("inf")),
        (True, np.array(True)),
        ("a", "a"),
        (A, A.astype(np.float32)),
        (A, A.astype(int)),
        (A, A * (1 + 1e-9)),
        (A.astype(np.float32), A),
        (np.array([1e6, 0.0]), np.array([1e6, 1e-3])),  # cancellation
        (np.array([np.nan, 1, -np.inf]), np.array([np.nan, 1, -np.inf])),
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.array(2.0), 2.0),
        ((1, 2), [1, 2]),
        ((A, 2), (A, 2)),
        ({"a": 1}, {"a": 1, "b": 2}),
        (None, None),
    ],
)
def test_honest_forms_are_accepted(expected: object, got: object) -> None:
    assert compare(expected, got) is None


@pytest.mark.parametrize(
    ("expected", "got", "kind", "words"),
    [
        (3, None, "none", "returned None"),
        (3, 3.0, "type", 'did you divide with "/"'),
        (3, np.array(3.0), "type", 'did you divide with "/"'),
        (1, True, "type", "truth value"),
        (3, "3", "type", "the text '3'"),
        (3, 4, "value", "the expected value is 3, you returned 4"),
        (3, 10**400, "value", "2**"),
        (3.0, 10**400, "value", "2**"),
        (3.0, float("nan"), "nan", "NaN"),
        (float("inf"), 3.0, "value", "inf"),
        (np.array([-np.inf, 1]), np.array([0.0, 1]), "value", "1 of 2 values differ"),
        (3.0, True, "type", "a float is expected"),
        (3.0, [3.0], "type", "a list"),
        (3.0, 3.1, "value", "3.1"),
        (True, 1, "type", "True or False"),
        ("a", "b", "value", "'b'"),
        (A, A.tolist(), "type", "use np.array"),
        (A, Opaque("Linear"), "type", "an object of type Linear"),
        (A, A.T, "shape", "(2, 3), yours has (3, 2)"),
        (A, A[None], "shape", "(1, 2, 3)"),
        (A, A * np.nan, "nan", "6 of 6"),
        (A, np.where(A == 5, 0, A), "value", "1 of 6 values differ"),
        (A, A > 0, "value", "differ"),
        ((1, 2), 3, "type", "a tuple of 2"),
        ((1, 2), (1, 2, 3), "shape", "one of 3"),
        ((1, 2), (2, 1), "value", "(1, 2)"),
        ((1, 2), (1, 2.0), "type", "item 2"),
        ((A, A), (A, A + 1), "value", "of item 2 differ"),
        ((A, A), (A, None), "none", "item 2 is None"),
        ({"macs": 1}, {"mac": 1}, "shape", "'macs' is missing"),
        ({"macs": 1}, {"macs": 2}, "value", "of 'macs' is 1"),
        ({"macs": 1}, 2, "type", "a dict with the keys 'macs'"),
    ],
)
def test_differences_are_named(expected: object, got: object, kind: str, words: str) -> None:
    found = compare(expected, got)
    assert found is not None
    assert found.kind == kind
    assert words in found.text


def test_the_parts_of_a_tuple_have_names() -> None:
    found = compare((A, A), (A, A + 1), names=["grad_image", "grad_kernel"])
    assert found is not None
    assert found.text == "6 of 6 values of grad_kernel differ"
    found = compare((1, 2), (1, 2.5), names=["before", "after"])
    assert found is not None
    assert found.text.startswith("an int is expected for after, after is the float 2.5")


def test_the_mask_marks_what_differs() -> None:
    found = compare(A, np.where(A > 3, 0, A))
    assert found is not None
    assert found.mask is not None
    assert found.mask.tolist() == [[False] * 3, [False, True, True]]


def test_float32_gets_its_tolerance_and_no_more() -> None:
    close = A * (1 + 5e-5)
    assert compare(A, close.astype(np.float32)) is None
    assert compare(A, close) is not None
    assert compare(A, (A * 1.001).astype(np.float32)) is not None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.333333"),
        ((1,), "(1,)"),
        ([1, 2.5], "[1, 2.5]"),
        ({"a": None}, "{'a': None}"),
        (Opaque("X"), "<X>"),
        (np.zeros((9, 9)), "array of shape (9, 9)"),
        (np.array([1, 2]), "[1, 2]"),
        (np.array([[0.5, 1]]), "[[0.5, 1]]"),
        (np.zeros((2, 0)), "[[], []]"),
    ],
)
def test_show(value: object, text: str) -> None:
    assert show(value) == text


def test_name_type_has_its_article() -> None:
    assert name_type(Opaque("Tensor")) == "an object of type Tensor"
    assert name_type(None) == "None"
    assert name_type(A) == "an array of shape (2, 3) and dtype float64"
