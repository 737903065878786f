"""What all operators promise: gradients, types, empty batches, views, NaN, inputs left alone.

One row for each operator. What it computes is compared with torch in the file of its own.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from course_lib import ops


@dataclass(frozen=True)
class Operator:
    """Shapes of the arrays in the order of the gradients, and the settings of both directions."""

    arrays: dict[str, tuple[int, ...]]
    settings: dict[str, Any] = field(default_factory=dict)
    integers_give: str = "int64"
    # Arrays that only the forward pass takes, or that a backward pass has no use for.
    backward_takes: tuple[str, ...] | None = None
    # Arrays without a gradient, and how to draw an array that is not just any.
    constants: dict[str, Any] = field(default_factory=dict)
    gives_input_shape: bool = False
    batched: tuple[str, ...] = ("x",)
    first_of_many: bool = False  # the forward pass returns more than the output


LAYER = {"x": (2, 4, 6, 5), "weight": (6, 2, 3, 2), "bias": (6,)}
CONV = dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
IMAGES = {"x": (2, 4, 6, 5)}
NORMED = {"x": (3, 4, 2, 5), "gamma": (4,), "beta": (4,)}
RUNNING = dict(running_mean=np.array([0.1, -0.2, 0.3, 0.0]), running_var=np.array([1.0, 2, 3, 4]))

OPERATORS = {
    "conv2d": Operator(LAYER, CONV, backward_takes=("x", "weight")),
    "conv2d reflect": Operator(
        LAYER, CONV | dict(padding_mode="reflect"), backward_takes=("x", "weight")
    ),
    "conv2d stride 1": Operator(
        {"x": (2, 4, 6, 5), "weight": (4, 4, 3, 3), "bias": (4,)},
        dict(padding=1),
        backward_takes=("x", "weight"),
    ),
    "conv1d": Operator(
        {"x": (2, 4, 9), "weight": (6, 2, 3), "bias": (6,)},
        dict(stride=2, padding=(2, 1), dilation=2, groups=2),
        backward_takes=("x", "weight"),
    ),
    "conv3d": Operator({"x": (2, 2, 4, 5, 4), "weight": (3, 2, 2, 3, 2), "bias": (3,)}),
    "depthwise_conv2d": Operator(
        {"x": (2, 3, 6, 5), "weight": (6, 1, 3, 3), "bias": (6,)},
        dict(stride=2, padding=1),
        backward_takes=("x", "weight"),
    ),
    "pointwise_conv2d": Operator(
        {"x": (2, 3, 4, 5), "weight": (4, 3, 1, 1), "bias": (4,)}, backward_takes=("x", "weight")
    ),
    "conv_transpose2d": Operator(
        {"x": (2, 4, 3, 5), "weight": (4, 3, 3, 2), "bias": (6,)},
        dict(stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2),
        backward_takes=("x", "weight"),
    ),
    "max_pool2d": Operator(IMAGES, dict(kernel_size=(3, 2), stride=2, padding=1)),
    "avg_pool2d": Operator(
        IMAGES,
        dict(kernel_size=(3, 2), stride=2, padding=1),
        integers_give="float64",
        gives_input_shape=True,
    ),
    "global_avg_pool2d": Operator(IMAGES, integers_give="float64", gives_input_shape=True),
    "blur_pool2d": Operator(IMAGES, integers_give="float64", gives_input_shape=True),
    "batch_norm2d training": Operator(
        NORMED,
        dict(training=True),
        integers_give="float64",
        backward_takes=("x", "gamma"),
        constants=RUNNING,
        first_of_many=True,
    ),
    "batch_norm2d running": Operator(
        NORMED,
        dict(training=False),
        integers_give="float64",
        backward_takes=("x", "gamma"),
        constants=RUNNING,
        first_of_many=True,
    ),
    "layer_norm": Operator(
        {"x": (3, 4, 5), "gamma": (4, 5), "beta": (4, 5)},
        integers_give="float64",
        backward_takes=("x", "gamma"),
    ),
    "group_norm": Operator(
        NORMED, dict(groups=2), integers_give="float64", backward_takes=("x", "gamma")
    ),
    "relu": Operator({"x": (3, 4)}),
    "gelu": Operator({"x": (3, 4)}, integers_give="float64"),
    "gelu tanh": Operator({"x": (3, 4)}, dict(approximate="tanh"), integers_give="float64"),
    "sigmoid": Operator({"x": (3, 4)}, integers_give="float64"),
    "silu": Operator({"x": (3, 4)}, integers_give="float64"),
    "softmax": Operator({"x": (3, 4)}, integers_give="float64"),
    "cross_entropy": Operator(
        {"logits": (3, 4)},
        dict(reduction="none"),
        integers_give="float64",
        constants=dict(targets=np.array([2, 0, 3])),
        batched=("logits", "targets"),
    ),
    "linear": Operator(
        {"x": (3, 4), "weight": (5, 4), "bias": (5,)}, backward_takes=("x", "weight")
    ),
    "scaled_dot_product_attention": Operator(
        {"q": (2, 3, 4), "k": (2, 5, 4), "v": (2, 5, 6)},
        integers_give="float64",
        batched=("q", "k", "v"),
    ),
}

everything = pytest.mark.parametrize("name", OPERATORS)
with_backward = pytest.mark.parametrize("name", [name for name in OPERATORS if name != "conv3d"])


def draw(name: str, dtype: str = "float64", batch: int | None = None) -> dict[str, np.ndarray]:
    """The arrays of an operator; whole numbers, small and different, for an integer type."""
    rng = np.random.default_rng(len(name))
    operator = OPERATORS[name]
    arrays = {}
    for key, shape in operator.arrays.items():
        values = rng.normal(size=shape) if dtype.startswith("f") else rng.integers(0, 9, shape)
        arrays[key] = values.astype(dtype)
    arrays |= operator.constants
    for key in operator.batched if batch is not None else ():
        arrays[key] = arrays[key][:batch]
    return arrays


def forward(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    operator = OPERATORS[name]
    out = getattr(ops, name.split()[0])(**arrays, **operator.settings)
    return out[0] if operator.first_of_many else out


def backward(name: str, grad_out: np.ndarray, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    operator = OPERATORS[name]
    function: Callable[..., Any] = getattr(ops, name.split()[0] + "_backward")
    if operator.gives_input_shape:
        return [function(grad_out, arrays["x"].shape, **operator.settings)]
    taken = operator.backward_takes or tuple(operator.arrays)
    given = {key: arrays[key] for key in (*taken, *operator.constants)}
    grads = function(grad_out, **given, **operator.settings)
    return list(grads) if isinstance(grads, tuple) else [grads]


def test_no_operator_is_forgotten():
    here = {name.split()[0] for name in OPERATORS}
    elsewhere = {"conv2d_single", "true_convolution", "conv_matrix", "pad2d", "im2col", "col2im"}
    public = {
        name
        for name in ops.__all__
        if inspect.isfunction(getattr(ops, name)) and not name.endswith("_backward")
    }
    assert here | elsewhere == public
    assert {name for name in here if not hasattr(ops, f"{name}_backward")} == {"conv3d"}


@with_backward
def test_gradients_against_finite_differences(name):
    arrays = draw(name)
    out = forward(name, arrays)
    rng = np.random.default_rng(0)
    grad_out = rng.normal(size=out.shape)
    grads = backward(name, grad_out, arrays)
    assert len(grads) == len(OPERATORS[name].arrays)
    for (key, shape), grad in zip(OPERATORS[name].arrays.items(), grads, strict=True):
        assert grad.shape == shape
        for _ in range(3):
            direction = rng.normal(size=shape)
            ahead, back = (
                forward(name, arrays | {key: arrays[key] + sign * 1e-6 * direction})
                for sign in (1, -1)
            )
            slope = np.vdot(ahead - back, grad_out) / 2e-6
            assert np.vdot(grad, direction) == pytest.approx(slope, rel=1e-6, abs=1e-7), key


@everything
@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64", "float16", "float32", "float64"])
def test_types(name, dtype):
    arrays = draw(name, dtype)
    if OPERATORS[name].constants and "running_mean" in arrays and dtype.startswith("f"):
        arrays |= {key: arrays[key].astype(dtype) for key in RUNNING}
    out = forward(name, arrays)
    expected = dtype if dtype.startswith("f") else OPERATORS[name].integers_give
    assert out.dtype == expected
    exact = forward(name, {key: np.asarray(a, "float64") if a.dtype == dtype and key != "targets"
                           else a for key, a in arrays.items()})  # fmt: skip
    precision = {"float16": 2e-3, "float32": 1e-5}.get(dtype, 1e-12)
    np.testing.assert_allclose(out, exact, precision, precision * np.abs(exact).max())
    if name != "conv3d":
        for grad in backward(name, out, arrays):
            assert grad.dtype == expected


@everything
def test_an_empty_batch_gives_an_empty_result(name):
    arrays, full = draw(name, batch=0), draw(name)
    out = forward(name, arrays)
    assert out.shape == (0, *forward(name, full).shape[1:])
    if name == "conv3d":
        return
    grads = backward(name, out, arrays)
    for (key, shape), grad in zip(OPERATORS[name].arrays.items(), grads, strict=True):
        assert grad.shape == ((0, *shape[1:]) if key in OPERATORS[name].batched else shape)
        assert not grad.any()  # no image has any say in the weights


@everything
def test_views_and_read_only_arrays(name):
    arrays = draw(name)
    expected = forward(name, arrays)
    rng = np.random.default_rng(3)
    grad_out = rng.normal(size=expected.shape)
    for rearrange in (backwards_in_memory, every_other, np.asfortranarray):
        views = {key: rearrange(array) for key, array in arrays.items()}
        copies = {key: view.copy() for key, view in views.items()}
        for view in views.values():
            view.setflags(write=False)
        out = forward(name, views)
        np.testing.assert_allclose(out, expected, 1e-12, 1e-12)
        answers = [out]
        if name != "conv3d":
            view_of_grad = rearrange(grad_out)
            view_of_grad.setflags(write=False)
            answers += backward(name, view_of_grad, views)
            for grad, same in zip(answers[1:], backward(name, grad_out, arrays), strict=True):
                np.testing.assert_allclose(grad, same, 1e-12, 1e-12)
        for key, view in views.items():
            np.testing.assert_array_equal(view, copies[key])
            assert not any(np.shares_memory(answer, view) for answer in answers)
        assert all(answer.flags.writeable for answer in answers)


def backwards_in_memory(array: np.ndarray) -> np.ndarray:
    return np.flip(np.flip(array).copy())


def every_other(array: np.ndarray) -> np.ndarray:
    wide = np.repeat(array, 2, axis=-1)
    return wide[..., ::2]


@everything
def test_nan_passes(name):
    arrays = draw(name)
    key = next(iter(OPERATORS[name].arrays))
    # In the last image only: it must reach its own output and nobody else's.
    arrays[key][-1, ..., 0] = np.nan
    out = forward(name, arrays)
    assert np.isnan(out[-1]).any()
    if name != "batch_norm2d training":  # where a channel's mean is everybody's
        assert not np.isnan(out[:-1]).any()
    if name == "conv3d":
        return
    grad_out = np.zeros(out.shape)
    grad_out[-1, ...] = np.nan
    grads = backward(name, grad_out, draw(name))
    assert np.isnan(grads[0][-1]).any()


@everything
@pytest.mark.parametrize("value", ["image", None, [[1, 2], [3]], 1j])
def test_what_is_no_array_of_numbers_is_refused(name, value):
    for key in OPERATORS[name].arrays:
        if key == "bias" and value is None:
            continue
        with pytest.raises(TypeError, match=re.escape(f"{key} (=") + r".*\) must be an array of"):
            forward(name, draw(name) | {key: value})


@with_backward
def test_a_gradient_of_another_shape_is_refused(name):
    arrays = draw(name)
    shape = forward(name, arrays).shape
    for wrong in ((*shape, 1), shape[:-1], (*shape[:-1], shape[-1] + 1)):
        with pytest.raises(ValueError, match=re.escape(f"grad_out has shape {wrong}, must have")):
            backward(name, np.ones(wrong), arrays)
