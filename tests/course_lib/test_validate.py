"""The checks of arguments: what they accept, what they refuse, and in which words."""

import fractions
import re

import numpy as np
import pytest
import torch

from course_lib import _validate


@pytest.mark.parametrize(
    "value", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)], ids=lambda v: type(v)
)
def test_any_integer_counts(value):
    answer = _validate.integer(value, "n")
    assert answer == 3
    assert type(answer) is int


@pytest.mark.parametrize(
    "value",
    [3.0, np.float64(3.0), np.float32(3.0), True, np.True_, "3", None, [3], np.array([3]),
     fractions.Fraction(3), 3 + 0j, object()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(TypeError, match=r"n \(=.*\) must be an integer, not "):
        _validate.integer(value, "n")


def test_a_float_brings_the_likely_reason():
    for check in (_validate.integer, _validate.pair, _validate.margins):
        with pytest.raises(TypeError, match=re.escape("did you divide with / in place of //?")):
            check(np.float64(3.0), "n")


def test_a_number_too_small():
    with pytest.raises(ValueError, match=re.escape("stride (=0) must be at least 1")):
        _validate.integer(np.int64(0), "stride", at_least=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, (2, 2)),
        (np.int64(2), (2, 2)),
        (np.array(2), (2, 2)),
        ((2, 1), (2, 1)),
        ([2, np.int64(1)], (2, 1)),
        (np.array([2, 1]), (2, 1)),
        (torch.Size([2, 1]), (2, 1)),
    ],
    ids=repr,
)
def test_pairs(value, expected):
    answer = _validate.pair(value, "stride", at_least=1)
    assert answer == expected
    assert all(type(number) is int for number in answer)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "stride (=0) must be at least 1"),
        ((1, 0), ValueError, "stride[1] (=0) must be at least 1"),
        ((1, 2, 3), ValueError, "stride (=(1, 2, 3)) must be an integer or a pair (height, width)"),
        ([], ValueError, "stride (=[]) must be an integer or a pair (height, width)"),
        (2.0, TypeError, "stride (=2.0) must be an integer or a pair (height, width) of integers"),
        ((2.0, 1), TypeError, "stride[0] (=2.0) must be an integer, not float"),
        ((1, True), TypeError, "stride[1] (=True) must be an integer, not bool"),
        ("11", TypeError, "stride (='11') must be an integer or a pair"),
        ({1, 2}, TypeError, "stride (={1, 2}) must be an integer or a pair"),
        (None, TypeError, "stride (=None) must be an integer or a pair"),
        (np.ones((2, 2), int), TypeError, "stride (=an array of shape (2, 2)) must be an integer"),
    ],
    ids=repr,
)
def test_what_is_no_pair(value, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _validate.pair(value, "stride", at_least=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, ((1, 1), (1, 1))),
        ((1, 2), ((1, 1), (2, 2))),
        (np.array([1, 2]), ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[1, 2], [3, 4]], ((1, 2), (3, 4))),
        (np.array([[1, 2], [3, 4]]), ((1, 2), (3, 4))),
        ((1, (3, 4)), ((1, 1), (3, 4))),
    ],
    ids=repr,
)
def test_margins(value, expected):
    assert _validate.margins(value) == expected


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-1, ValueError, "padding (=-1) must be at least 0"),
        ((0, -1), ValueError, "padding[1] (=-1) must be at least 0"),
        (((0, -2), 0), ValueError, "padding[0][1] (=-2) must be at least 0"),
        ((1, 2, 3, 4), ValueError, "padding (=(1, 2, 3, 4)) must be an integer or a pair"),
        (
            ((1, 2, 3), 0),
            ValueError,
            "padding[0] (=(1, 2, 3)) must be an integer or a pair (before",
        ),
        (1.0, TypeError, "padding (=1.0) must be an integer"),
        (((0.5, 1), 0), TypeError, "padding[0][0] (=0.5) must be an integer"),
        ("same", TypeError, "padding (='same') must be an integer"),
    ],
    ids=repr,
)
def test_what_is_no_padding(value, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _validate.margins(value)


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_flags(value):
    assert _validate.flag(value, "bias") is bool(value)


@pytest.mark.parametrize("value", [0, 1, None, "True", 1.0])
def test_what_is_no_flag(value):
    with pytest.raises(TypeError, match=r"bias \(=.*\) must be True or False"):
        _validate.flag(value, "bias")


def test_a_choice_suggests_the_nearest_option():
    with pytest.raises(ValueError, match=r"mode \(='Reflect '\) must be one of .*'reflect'\?$"):
        _validate.choice("Reflect ", "mode", ("zeros", "reflect"))


def test_a_choice_far_from_all_suggests_none():
    with pytest.raises(ValueError, match=r"must be one of 'zeros', 'reflect'$"):
        _validate.choice("xyz", "mode", ("zeros", "reflect"))


@pytest.mark.parametrize("value", [None, 3, ["zeros"]])
def test_a_choice_is_a_string(value):
    with pytest.raises(TypeError, match="must be a string"):
        _validate.choice(value, "mode", ("zeros",))


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((2, 2)),
        [[1, 2], [3, 4]],
        ((True, False), (False, True)),
        torch.zeros(2, 2),
        np.ma.array([[1, 2], [3, 4]]),
        memoryview(np.zeros((2, 2))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_numpy_turns_into_numbers_is_an_image(value):
    assert type(_validate.plane(value, "image")) is np.ndarray


@pytest.mark.parametrize(
    "value",
    [
        "image",
        b"image",
        [["1", "2"]],
        None,
        {"a": 1},
        {1, 2},
        object(),
        [[1, 2], [3]],
        np.array([[1, None]]),
        np.array([[1j]]),
        np.zeros((2, 2), dtype="datetime64[s]"),
        (n for n in range(3)),
        torch.zeros(2, 2, requires_grad=True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_no_real_numbers_is_no_image(value):
    with pytest.raises(TypeError, match=r"image \(=.*\) must be an array of real numbers"):
        _validate.plane(value, "image")


@pytest.mark.parametrize("value", [[], [[]], np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((0,))])
def test_an_empty_array_is_refused(value):
    message = f"image has shape {np.shape(value)}, must not be empty"
    with pytest.raises(ValueError, match=re.escape(message)):
        _validate.plane(value, "image")


@pytest.mark.parametrize("shape", [(), (3,), (1, 3, 3), (1, 1, 3, 3)])
def test_a_wrong_rank_is_refused(shape):
    message = f"image has shape {shape}, must have 2 dimensions (height, width)"
    with pytest.raises(ValueError, match=re.escape(message)):
        _validate.plane(np.zeros(shape), "image")


@pytest.mark.parametrize("shape", [(), (3,)])
def test_planes_need_two_axes(shape):
    message = f"images has shape {shape}, must have at least 2 dimensions (…, height, width)"
    with pytest.raises(ValueError, match=re.escape(message)):
        _validate.planes(np.zeros(shape), "images")


@pytest.mark.parametrize("value", ["x" * 1000, list(range(1000)), np.zeros((500, 500)), [[0]] * 99])
def test_an_error_shows_no_more_than_a_line(value):
    assert len(_validate.shown(value)) <= 60
    assert "\n" not in _validate.shown(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, (2, 2, 2)), (np.int64(2), (2, 2, 2)), ([1, 2, np.int8(3)], (1, 2, 3))],
)
def test_triples(value, expected):
    answer = _validate.triple(value, "stride", at_least=1)
    assert answer == expected
    assert all(type(number) is int for number in answer)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "stride (=0) must be at least 1"),
        ((1, 0, 1), ValueError, "stride[1] (=0) must be at least 1"),
        ((1, 2), ValueError, "stride (=(1, 2)) must be an integer or a triple (depth, height, w"),
        (1.0, TypeError, "stride (=1.0) must be an integer"),
        ((1, 1, None), TypeError, "stride[2] (=None) must be an integer"),
    ],
)
def test_what_is_no_triple(value, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _validate.triple(value, "stride", at_least=1)


def test_numbers_may_be_few_or_none():
    for shape in ((), (0,), (2, 0, 3), (4,)):
        assert _validate.numbers(np.ones(shape), "x").shape == shape


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (0, 3, 4, 5)])
def test_a_batch_may_hold_no_images(shape):
    assert _validate.batch(np.ones(shape), "x", "NCHW").shape == shape


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 4, 5), "x has shape (3, 4, 5), must have 4 dimensions (N, C, H, W)"),
        ((2, 0, 4, 5), "x has shape (2, 0, 4, 5), must not be empty but along N"),
        ((0, 3, 4, 0), "x has shape (0, 3, 4, 0), must not be empty but along N"),
    ],
)
def test_what_is_no_batch(shape, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        _validate.batch(np.ones(shape), "x", "NCHW")


def test_a_shape_is_asked_for_with_its_reason():
    assert _validate.shaped([1, 2, 3], "bias", (3,), "why").tolist() == [1, 2, 3]
    message = re.escape("bias has shape (), must have shape (3,): one each")
    with pytest.raises(ValueError, match=message):
        _validate.shaped(1.0, "bias", (3,), "one each")


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(2)])
def test_any_real_number_is_a_number(value):
    answer = _validate.number(value, "eps", above=0)
    assert answer == value
    assert type(answer) is float


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0.0, ValueError, "eps (=0.0) must be above 0"),
        (np.nan, ValueError, "eps (=nan) must be finite"),
        (np.inf, ValueError, "eps (=inf) must be finite"),
        (True, TypeError, "eps (=True) must be a number, not bool"),
        ("1e-5", TypeError, "eps (='1e-5') must be a number, not str"),
        (None, TypeError, "eps (=None) must be a number"),
        (1j, TypeError, "eps (=1j) must be a number"),
    ],
)
def test_what_is_no_number(value, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _validate.number(value, "eps", above=0)
