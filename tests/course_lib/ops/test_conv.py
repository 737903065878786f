"""Convolution against torch, SciPy and finite differences: three forms, forward and backward."""

import re

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import conv2d_single, conv2d_single_backward, pad2d, true_convolution
from course_lib.ops.conv import ALGORITHMS
from course_lib.ops.padding import PADDING_MODES

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)


@st.composite
def problems(draw):
    """Image, kernel, and settings under which at least one window fits."""
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel_shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    settings = dict(
        stride=draw(pairs),
        padding=draw(st.tuples(st.integers(0, 3), st.integers(0, 3))),
        dilation=draw(pairs),
        padding_mode=draw(st.sampled_from(PADDING_MODES)),
    )
    # A mirror needs one pixel more than it shows; turning round needs as many.
    needed = {"reflect": 1, "circular": 0}.get(settings["padding_mode"])
    shape = []
    for k, p, d in zip(kernel_shape, settings["padding"], settings["dilation"], strict=True):
        smallest = max(1, d * (k - 1) + 1 - 2 * p, 1 if needed is None else p + needed)
        shape.append(smallest + draw(st.integers(0, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return rng.normal(size=shape), rng.normal(size=kernel_shape), settings


def torch_conv(image, kernel, stride=1, padding=0, dilation=1, padding_mode="zeros"):
    p_h, p_w = (padding, padding) if isinstance(padding, int) else padding
    mode = "constant" if padding_mode == "zeros" else padding_mode
    padded = functional.pad(image[None, None], (p_w, p_w, p_h, p_h), mode=mode)
    return functional.conv2d(padded, kernel[None, None], stride=stride, dilation=dilation)[0, 0]


@given(problems())
@quick
def test_forward_against_torch(problem):
    image, kernel, settings = problem
    expected = torch_conv(torch.tensor(image), torch.tensor(kernel), **settings).numpy()
    for algorithm in ALGORITHMS:
        out = conv2d_single(image, kernel, **settings, algorithm=algorithm)
        np.testing.assert_allclose(out, expected, 1e-10, 1e-12, err_msg=algorithm)


@given(problems())
@quick
def test_backward_against_autograd(problem):
    image, kernel, settings = problem
    leaves = torch.tensor(image, requires_grad=True), torch.tensor(kernel, requires_grad=True)
    out = torch_conv(*leaves, **settings)
    grad_out = np.random.default_rng(0).normal(size=tuple(out.shape))
    out.backward(torch.tensor(grad_out))
    grads = conv2d_single_backward(grad_out, image, kernel, **settings)
    for grad, leaf in zip(grads, leaves, strict=True):
        np.testing.assert_allclose(grad, leaf.grad.numpy(), 1e-10, 1e-12)


@given(problems())
@quick
def test_backward_is_the_adjoint(problem):
    image, kernel, settings = problem
    out = conv2d_single(image, kernel, **settings)
    grad_out = np.random.default_rng(1).normal(size=out.shape)
    grad_image, grad_kernel = conv2d_single_backward(grad_out, image, kernel, **settings)
    forwards = pytest.approx(np.vdot(out, grad_out), rel=1e-10, abs=1e-9)
    assert np.vdot(image, grad_image) == forwards
    assert np.vdot(kernel, grad_kernel) == forwards


@given(problems())
@settings(quick, max_examples=15)
def test_backward_against_finite_differences(problem):
    image, kernel, settings = problem
    grad_out = np.random.default_rng(2).normal(size=conv2d_single(image, kernel, **settings).shape)

    def loss(image, kernel):
        return np.vdot(conv2d_single(image, kernel, **settings), grad_out)

    grad_image, grad_kernel = conv2d_single_backward(grad_out, image, kernel, **settings)
    for index in np.ndindex(image.shape):
        step = np.zeros_like(image)
        step[index] = 0.5  # the loss is linear in each input: any step gives the exact slope
        slope = loss(image + step, kernel) - loss(image - step, kernel)
        assert grad_image[index] == pytest.approx(slope, rel=1e-9, abs=1e-9)
    for index in np.ndindex(kernel.shape):
        step = np.zeros_like(kernel)
        step[index] = 0.5
        slope = loss(image, kernel + step) - loss(image, kernel - step)
        assert grad_kernel[index] == pytest.approx(slope, rel=1e-9, abs=1e-9)


@algorithms
@pytest.mark.parametrize("kernel_shape", [(1, 1), (3, 3), (2, 5), (4, 1)])
@pytest.mark.parametrize("stride", [1, (2, 3)])
def test_forward_against_scipy(kernel_shape, stride, algorithm):
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(6, 7)), rng.normal(size=kernel_shape)
    s_h, s_w = (stride, stride) if isinstance(stride, int) else stride
    full = (kernel_shape[0] - 1, kernel_shape[1] - 1)
    for padding, mode in ((0, "valid"), (full, "full")):
        for ours, theirs in (
            (conv2d_single, scipy.signal.correlate2d),
            (true_convolution, scipy.signal.convolve2d),
        ):
            out = ours(image, kernel, stride, padding, algorithm=algorithm)
            expected = theirs(image, kernel, mode=mode)[::s_h, ::s_w]
            np.testing.assert_allclose(out, expected, 1e-10, 1e-12)


@given(problems())
@quick
def test_true_convolution_against_torch(problem):
    image, kernel, settings = problem
    flipped = torch.tensor(kernel).flip(0, 1)
    expected = torch_conv(torch.tensor(image), flipped, **settings).numpy()
    np.testing.assert_allclose(true_convolution(image, kernel, **settings), expected, 1e-10, 1e-12)


@given(problems())
@quick
def test_lopsided_padding_is_padding_by_hand(problem):
    image, kernel, settings = problem
    p_h, p_w = settings["padding"]
    lopsided = ((p_h, 0), (0, p_w))
    try:
        padded = pad2d(image, lopsided, settings["padding_mode"])
        expected = conv2d_single(padded, kernel, settings["stride"], 0, settings["dilation"])
    except ValueError:  # half the padding may be too little for the kernel
        with pytest.raises(ValueError, match="must fit into the padded image"):
            conv2d_single(image, kernel, **settings | {"padding": lopsided})
        return
    out = conv2d_single(image, kernel, **settings | {"padding": lopsided})
    np.testing.assert_array_equal(out, expected)
    grad_image, _ = conv2d_single_backward(
        np.ones_like(out), image, kernel, **settings | {"padding": lopsided}
    )
    assert np.vdot(grad_image, image) == pytest.approx(out.sum(), rel=1e-9, abs=1e-9)


def test_pixels_that_the_floor_drops_have_no_gradient():
    grad_image, grad_kernel = conv2d_single_backward(
        np.ones((2, 2)), np.ones((6, 6)), np.ones((3, 3)), stride=2
    )
    assert grad_image.shape == (6, 6)
    assert grad_kernel.shape == (3, 3)
    assert (grad_image[5] == 0).all()
    assert (grad_image[:, 5] == 0).all()
    assert (grad_image[:5, :5] > 0).all()


# What goes in, and what comes out.


@algorithms
@pytest.mark.parametrize(
    ("image", "kernel", "expected"),
    [
        ("uint8", "int64", "int64"),
        ("uint8", "uint8", "int64"),
        ("bool", "int8", "int64"),
        ("uint64", "int64", "int64"),
        ("float16", "float16", "float16"),
        ("float16", "float32", "float32"),
        ("float32", "float32", "float32"),
        ("float32", "int64", "float64"),
        ("uint8", "float32", "float32"),
        ("float64", "float32", "float64"),
    ],
)
def test_types(image, kernel, expected, algorithm):
    image, kernel = np.ones((4, 4), image), np.ones((2, 2), kernel)
    out = conv2d_single(image, kernel, algorithm=algorithm)
    assert out.dtype == expected
    assert (out == 4).all()
    grads = conv2d_single_backward(out, image, kernel)
    assert {grad.dtype for grad in grads} == {np.dtype(expected)}


@algorithms
def test_pixels_of_eight_bits_do_not_wrap(algorithm):
    image, kernel = np.full((3, 3), 200, np.uint8), np.full((3, 3), 2, np.uint8)
    assert conv2d_single(image, kernel, algorithm=algorithm).tolist() == [[3600]]


@algorithms
def test_half_precision_is_rounded_once(algorithm):
    image, kernel = np.ones((1, 3000), np.float16), np.ones((1, 3000), np.float16)
    # Added up in float16 itself, 1 + 1 + … stops at 2048, where the next number is 2050.
    assert conv2d_single(image, kernel, algorithm=algorithm) == np.float16(3000)


@algorithms
def test_lists_and_tensors_are_images_too(algorithm):
    image, kernel = np.arange(12.0).reshape(3, 4), np.array([[1.0, -1.0]])
    expected = conv2d_single(image, kernel, algorithm=algorithm)
    for convert in (np.ndarray.tolist, torch.tensor):
        out = conv2d_single(convert(image), convert(kernel), algorithm=algorithm)
        assert type(out) is np.ndarray
        np.testing.assert_array_equal(out, expected)


@algorithms
def test_memory_order_does_not_matter(algorithm):
    base = np.random.default_rng(0).normal(size=(9, 8))
    for image in (base.T, base[::-1, ::2], np.asfortranarray(base)):
        kernel = image[:2, ::-1][:, :3]
        np.testing.assert_allclose(
            conv2d_single(image, kernel, algorithm=algorithm),
            conv2d_single(image.copy(), kernel.copy(), algorithm=algorithm),
            rtol=1e-12,
        )


@algorithms
@pytest.mark.parametrize("padding", [0, 1])
def test_inputs_may_be_read_only_and_are_unchanged(algorithm, padding):
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(4, 5)), rng.normal(size=(1, 1))
    grad_out = rng.normal(size=(4 + 2 * padding, 5 + 2 * padding))
    arrays = image, kernel, grad_out
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    answers = [
        conv2d_single(image, kernel, padding=padding, algorithm=algorithm),
        true_convolution(image, kernel, padding=padding, algorithm=algorithm),
        *conv2d_single_backward(grad_out, image, kernel, padding=padding),
    ]
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert not any(np.shares_memory(answer, array) for answer in answers)
    assert all(answer.flags.writeable for answer in answers)


@pytest.mark.parametrize("algorithm", ["loops", "vectorised"])
def test_nan_reaches_the_windows_that_hold_it(algorithm):
    image = np.zeros((5, 5))
    image[0, 1] = np.nan
    out = conv2d_single(image, np.ones((2, 2)), algorithm=algorithm)
    expected = np.zeros((4, 4), dtype=bool)
    expected[0, 0:2] = True
    np.testing.assert_array_equal(np.isnan(out), expected)


def test_nan_reaches_every_output_of_the_matrix():
    image = np.zeros((5, 5))
    image[0, 1] = np.nan
    assert np.isnan(conv2d_single(image, np.ones((2, 2)), algorithm="matrix")).all()


def test_nan_passes_through_the_backward_pass():
    grad_out = np.zeros((4, 4))
    grad_out[3, 0] = np.nan
    grad_image, grad_kernel = conv2d_single_backward(grad_out, np.ones((5, 5)), np.ones((2, 2)))
    expected = np.zeros((5, 5), dtype=bool)
    expected[3:, :2] = True
    np.testing.assert_array_equal(np.isnan(grad_image), expected)
    assert np.isnan(grad_kernel).all()


@algorithms
def test_sizes_may_be_any_integer(algorithm):
    image, kernel = np.arange(30.0).reshape(5, 6), np.ones((2, 2))
    expected = conv2d_single(image, kernel, (2, 2), (1, 1), (1, 1), algorithm=algorithm)
    for two, one in ((2, 1), (np.int64(2), np.int8(1)), ([2, 2], (1, 1)), (np.array(2), [1, 1])):
        out = conv2d_single(image, kernel, two, one, one, algorithm=algorithm)
        np.testing.assert_array_equal(out, expected)


# Bad input.

BAD = [
    (dict(image="photo"), TypeError, "image (='photo') must be an array of real numbers"),
    (dict(image=None), TypeError, "image (=None) must be an array of real numbers"),
    (dict(image=[[1, 2], [3]]), TypeError, "image (=[[1, 2], [3]]) must be an array of real"),
    (dict(image=np.ones((3, 3)) * 1j), TypeError, "must be an array of real numbers, not of type"),
    (dict(image=np.ones(3)), ValueError, "image has shape (3,), must have 2 dimensions (height, w"),
    (dict(image=np.ones((1, 5, 5))), ValueError, "image has shape (1, 5, 5), must have 2 dim"),
    (dict(image=np.ones((0, 5))), ValueError, "image has shape (0, 5), must not be empty"),
    (dict(image=5.0), ValueError, "image has shape (), must have 2 dimensions"),
    (dict(kernel=np.ones((1, 1, 3, 3))), ValueError, "kernel has shape (1, 1, 3, 3), must have 2"),
    (dict(kernel=[]), ValueError, "kernel has shape (0,), must not be empty"),
    (dict(kernel=3), ValueError, "kernel has shape (), must have 2 dimensions"),
    (dict(kernel={}), TypeError, "kernel (={}) must be an array of real numbers"),
    (dict(kernel=np.ones((6, 2))), ValueError,
     "kernel has shape (6, 2), must fit into the padded image: it spans (6, 2) pixels with "
     "dilation (=(1, 1)), and the padded image has shape (5, 5)"),
    (dict(dilation=4), ValueError, "it spans (9, 9) pixels with dilation (=(4, 4))"),
    (dict(kernel=np.ones((8, 8)), padding=1), ValueError, "the padded image has shape (7, 7)"),
    (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
    (dict(stride=(1, -1)), ValueError, "stride[1] (=-1) must be at least 1"),
    (dict(stride=1.0), TypeError, "stride (=1.0) must be an integer or a pair (height, width)"),
    (dict(stride=True), TypeError, "stride (=True) must be an integer"),
    (dict(stride="2"), TypeError, "stride (='2') must be an integer"),
    (dict(stride=(1, 1, 1)), ValueError, "stride (=(1, 1, 1)) must be an integer or a pair"),
    (dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
    (dict(padding=0.5), TypeError, "padding (=0.5) must be an integer"),
    (dict(padding="same"), TypeError, "padding (='same') must be an integer"),
    (dict(dilation=0), ValueError, "dilation (=0) must be at least 1"),
    (dict(dilation=None), TypeError, "dilation (=None) must be an integer"),
    (dict(padding_mode="constant"), ValueError, "padding_mode (='constant') must be one of"),
    (dict(padding_mode=None), TypeError, "padding_mode (=None) must be a string"),
    (dict(padding=5, padding_mode="reflect"), ValueError,
     "padding (=((5, 5), (5, 5))) must be at most 4 along the height in mode 'reflect'"),
    (dict(padding=6, padding_mode="circular"), ValueError,
     "padding (=((6, 6), (6, 6))) must be at most 5 along the height in mode 'circular'"),
]  # fmt: skip

GOOD = {"image": np.ones((5, 5)), "kernel": np.ones((3, 3))}


@pytest.mark.parametrize("function", [conv2d_single, true_convolution])
@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_input_forward(function, arguments, error, message):
    for algorithm in ALGORITHMS:
        with pytest.raises(error, match=re.escape(message)):
            function(**GOOD | arguments, algorithm=algorithm)


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_input_backward(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        conv2d_single_backward(**{"grad_out": np.ones((3, 3))} | GOOD | arguments)


@pytest.mark.parametrize(
    ("grad_out", "error", "message"),
    [
        (np.ones((3, 4)), ValueError, "grad_out has shape (3, 4), must have the shape (3, 3) of"),
        (np.ones((1, 1)), ValueError, "grad_out has shape (1, 1), must have the shape (3, 3) of"),
        (np.ones(9), ValueError, "grad_out has shape (9,), must have 2 dimensions"),
        (np.ones((0, 0)), ValueError, "grad_out has shape (0, 0), must not be empty"),
        ("grad", TypeError, "grad_out (='grad') must be an array of real numbers"),
    ],
)
def test_bad_gradients(grad_out, error, message):
    with pytest.raises(error, match=re.escape(message)):
        conv2d_single_backward(grad_out, **GOOD)


@pytest.mark.parametrize("function", [conv2d_single, true_convolution])
def test_bad_algorithm(function):
    with pytest.raises(ValueError, match=r"algorithm \(='loop'\) must be one of .*mean 'loops'\?"):
        function(**GOOD, algorithm="loop")
    with pytest.raises(TypeError, match=r"algorithm \(=None\) must be a string"):
        function(**GOOD, algorithm=None)
