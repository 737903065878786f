"""Padding against torch and NumPy; its backward against torch's autograd and as an adjoint."""

import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import pad2d, pad2d_backward
from course_lib.ops.padding import PADDING_MODES

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

TORCH_MODE = {m: m for m in ("reflect", "replicate", "circular")} | {"zeros": "constant"}
NUMPY_MODE = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@st.composite
def problems(draw):
    """An image, a padding ((top, bottom), (left, right)) that its mode allows, and the mode."""
    mode = draw(st.sampled_from(PADDING_MODES))
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    room = {"reflect": -1, "circular": 0}

    def ends(n):
        most = n + room[mode] if mode in room else 7
        return draw(st.tuples(st.integers(0, most), st.integers(0, most)))

    padding = (ends(height), ends(width))
    image = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(height, width))
    return image, padding, mode


def torch_pad(image, padding, mode):
    (top, bottom), (left, right) = padding
    return functional.pad(image[None, None], (left, right, top, bottom), mode=TORCH_MODE[mode])[
        0, 0
    ]


@given(problems())
@quick
def test_forward_against_torch_and_numpy(problem):
    image, padding, mode = problem
    padded = pad2d(image, padding, mode)
    np.testing.assert_array_equal(padded, torch_pad(torch.tensor(image), padding, mode).numpy())
    np.testing.assert_array_equal(padded, np.pad(image, padding, mode=NUMPY_MODE[mode]))


@given(problems())
@quick
def test_backward_against_autograd(problem):
    image, padding, mode = problem
    leaf = torch.tensor(image, requires_grad=True)
    padded = torch_pad(leaf, padding, mode)
    grad = np.random.default_rng(0).normal(size=tuple(padded.shape))
    padded.backward(torch.tensor(grad))
    expected = leaf.grad.numpy()
    np.testing.assert_allclose(pad2d_backward(grad, padding, mode), expected, 1e-10, 1e-12)


@given(problems())
@quick
def test_backward_is_the_adjoint(problem):
    image, padding, mode = problem
    padded = pad2d(image, padding, mode)
    grad = np.random.default_rng(1).normal(size=padded.shape)
    forwards = np.vdot(padded, grad)
    assert np.vdot(image, pad2d_backward(grad, padding, mode)) == pytest.approx(forwards, abs=1e-9)


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_the_table_of_the_module(mode):
    expected = {
        "zeros": [0, 0, 0, 1, 2, 3, 4, 0, 0, 0],
        "reflect": [4, 3, 2, 1, 2, 3, 4, 3, 2, 1],
        "replicate": [1, 1, 1, 1, 2, 3, 4, 4, 4, 4],
        "circular": [2, 3, 4, 1, 2, 3, 4, 1, 2, 3],
    }
    row = [[1, 2, 3, 4]]
    assert pad2d(row, (0, 3), mode).tolist() == [expected[mode]]
    assert pad2d(np.transpose(row), (3, 0), mode).ravel().tolist() == expected[mode]


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_axes_before_the_last_two_are_left_alone(mode):
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    padding = ((1, 2), (3, 0))
    padded = pad2d(images, padding, mode)
    back = pad2d_backward(padded, padding, mode)
    assert back.shape == images.shape
    for n in range(2):
        for c in range(3):
            np.testing.assert_array_equal(padded[n, c], pad2d(images[n, c], padding, mode))
            np.testing.assert_array_equal(back[n, c], pad2d_backward(padded[n, c], padding, mode))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float16", "float32", "float64"])
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_forward_keeps_the_type(mode, dtype):
    assert pad2d(np.ones((3, 3), dtype), 1, mode).dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", "int64"), ("bool", "int64"), ("float16", "float16"), ("float32", "float32")],
)
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_backward_widens_integers(mode, dtype, expected):
    assert pad2d_backward(np.ones((5, 5), dtype), 1, mode).dtype == expected


def test_gradients_of_eight_bits_do_not_wrap():
    assert pad2d_backward(np.full((1, 5), 200, np.uint8), (0, 2), "replicate").tolist() == [[1000]]


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("padding", [0, 1])
def test_the_answer_is_new_and_the_input_unchanged(mode, padding):
    image = np.arange(30.0).reshape(5, 6)
    before = image.copy()
    image.setflags(write=False)
    for function in (pad2d, pad2d_backward):
        answer = function(image, padding, mode)
        assert answer.flags.writeable
        assert not np.shares_memory(answer, image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_memory_order_does_not_matter(mode):
    image = np.arange(48.0).reshape(6, 8)
    for view in (image.T, image[::-2, 1::3], np.asfortranarray(image)):
        np.testing.assert_array_equal(pad2d(view, 1, mode), pad2d(view.copy(), 1, mode))
        np.testing.assert_array_equal(
            pad2d_backward(view, 0, mode), pad2d_backward(view.copy(), 0, mode)
        )


def test_nan_is_padded_like_any_value():
    padded = pad2d([[np.nan, 1.0]], (0, 1), "replicate")
    np.testing.assert_array_equal(padded, [[np.nan, np.nan, 1.0, 1.0]])


@pytest.mark.parametrize("function", [pad2d, pad2d_backward])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
        (dict(padding=((0, -1), (0, 0))), ValueError, "padding[0][1] (=-1) must be at least 0"),
        (dict(padding=(1, 2, 3, 4)), ValueError, "padding (=(1, 2, 3, 4)) must be an integer or a"),
        (dict(padding=1.0), TypeError, "padding (=1.0) must be an integer"),
        (dict(padding=True), TypeError, "padding (=True) must be an integer"),
        (dict(padding=None), TypeError, "padding (=None) must be an integer"),
        (dict(mode="mirror"), ValueError, "mode (='mirror') must be one of 'zeros', 'reflect'"),
        (dict(mode="Circular"), ValueError, "did you mean 'circular'?"),
        (dict(mode=0), TypeError, "mode (=0) must be a string, not int"),
    ],
)
def test_bad_input(function, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        function(np.zeros((3, 3)), **{"padding": 0, **arguments})


@pytest.mark.parametrize(("function", "name"), [(pad2d, "image"), (pad2d_backward, "grad_padded")])
def test_bad_images(function, name):
    with pytest.raises(ValueError, match=re.escape(f"{name} has shape (3,), must have at least 2")):
        function(np.zeros(3), 0)
    with pytest.raises(ValueError, match=re.escape(f"{name} has shape (0, 3), must not be empty")):
        function(np.zeros((0, 3)), 1)
    with pytest.raises(TypeError, match=re.escape(f"{name} (='photo') must be an array of real")):
        function("photo", 1)


@pytest.mark.parametrize(
    ("shape", "padding", "mode", "message"),
    [
        ((3, 4), (3, 0), "reflect", "must be at most 2 along the height in mode 'reflect'"),
        ((3, 4), (2, 4), "reflect", "must be at most 3 along the width in mode 'reflect'"),
        ((1, 4), (1, 0), "reflect", "must be at most 0 along the height in mode 'reflect'"),
        ((3, 4), ((0, 4), (0, 0)), "circular", "must be at most 3 along the height in mode 'circ"),
        ((3, 4), (3, 5), "circular", "must be at most 4 along the width in mode 'circular'"),
    ],
)
def test_more_copies_than_there_are_pixels(shape, padding, mode, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        pad2d(np.zeros(shape), padding, mode)
    padded = pad2d(
        np.zeros(shape), padding
    )  # zeros allow any size, so the shape is that of forward
    with pytest.raises(ValueError, match=re.escape(message)):
        pad2d_backward(padded, padding, mode)


@pytest.mark.parametrize(("shape", "padding"), [((4, 4), 2), ((4, 4), ((0, 0), (1, 4)))])
def test_backward_refuses_what_cannot_have_been_padded(shape, padding):
    message = f"grad_padded has shape {shape}, must be larger than the padding"
    with pytest.raises(ValueError, match=re.escape(message)):
        pad2d_backward(np.zeros(shape), padding)
