"""The fast path takes little memory and gives right answers whatever the size of its blocks."""

import math
import tracemalloc

import numpy as np
import pytest

from course_lib.ops import conv2d, conv2d_backward
from course_lib.ops._settings import settings_for
from course_lib.ops.columns import place_to_slide

LAYERS = {
    "small": ((8, 3, 32, 32), (16, 3, 3, 3), dict()),
    "middle": ((8, 64, 56, 56), (64, 64, 3, 3), dict(padding=1)),
    "middle, reflected": ((4, 64, 56, 56), (64, 64, 3, 3), dict(padding=1, padding_mode="reflect")),
    "stem": ((1, 3, 224, 224), (64, 3, 7, 7), dict(stride=2, padding=3)),
    "depthwise": ((8, 64, 56, 56), (64, 1, 3, 3), dict(padding=1, groups=64)),
    "pointwise": ((4, 64, 28, 28), (32, 64, 1, 1), dict()),
    "few pixels": ((8, 256, 7, 7), (64, 256, 3, 3), dict(padding=1)),
    "strided": ((4, 16, 30, 30), (8, 16, 5, 5), dict(stride=2, padding=2)),
    "strided, fewer windows": ((4, 64, 28, 28), (8, 64, 3, 3), dict(stride=2, padding=1)),
    "one pixel, strided, channels last": ((4, 64, 28, 28), (64, 64, 1, 1), dict(stride=2)),
    "channels last": ((4, 16, 40, 40), (8, 16, 3, 3), dict()),
    "from bytes": ((4, 16, 40, 40), (8, 16, 5, 5), dict(padding=2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_memory_stays_below_one_image_of_columns(name):
    x_shape, weight_shape, settings = LAYERS[name]
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=x_shape).astype("float32"), np.ones(weight_shape, "float32")
    if name == "from bytes":
        x = x.astype(np.uint8)
    if name.endswith("channels last"):
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    conv2d(x, weight, **settings)
    tracemalloc.start()
    out = conv2d(x, weight, **settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    columns = x.shape[1] * weight[0, 0].size * out[0, 0].size * weight.itemsize
    interpreter = 2**14  # views, tuples and the like: the arrays are what is meant
    assert peak - out.nbytes <= columns + interpreter


@pytest.mark.parametrize("block_bytes", [1, 700, 5_000, 2**40])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_of_any_size_give_the_same_numbers(block_bytes, groups, stride, monkeypatch):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(5, 4, 9, 8)), rng.normal(size=(6, 4 // groups, 3, 3))
    chosen = dict(stride=stride, padding=1, groups=groups)
    expected = conv2d(x, weight, **chosen, algorithm="loops")
    grad_out = rng.normal(size=expected.shape)
    grads = conv2d_backward(grad_out, x, weight, **chosen)
    monkeypatch.setattr("course_lib.ops.conv_fast.BLOCK_BYTES", block_bytes)
    np.testing.assert_allclose(conv2d(x, weight, **chosen), expected, 1e-12, 1e-12)
    for ours, same in zip(conv2d_backward(grad_out, x, weight, **chosen), grads, strict=True):
        np.testing.assert_allclose(ours, same, 1e-12, 1e-12)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    [
        ((7, 7), 2, 3, 1, 1),
        ((5, 6), (1, 4), ((0, 2), (3, 1)), 1, 2),
        ((7, 5), (2, 3), (4, 1), (1, 2), 1),
        ((6, 7), (2, 2), 5, (1, 2), 4),  # the stride divides the dilation: one phase has all taps
        ((12, 8), (1, 6), 2, (1, 4), 1),
        ((9, 4), (2, 3), 0, 1, 2),
    ],
)
def test_images_sorted_by_phase_give_the_same_numbers(kernel, stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 25, 38))
    weight = rng.normal(size=(8, 4 // groups, *kernel))
    chosen = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    sizes = settings_for(x.shape[2:], kernel, stride, padding, dilation, groups)
    source = place_to_slide(x, sizes, x.dtype)
    assert source.put is not None
    s_w, d_w = sizes.stride[1], sizes.dilation[1]
    assert len(source.parts) == min(s_w // math.gcd(s_w, d_w), kernel[1])
    expected = conv2d(x, weight, **chosen, algorithm="im2col")
    np.testing.assert_allclose(conv2d(x, weight, **chosen), expected, 1e-12, 1e-12)
    grad_out = rng.normal(size=expected.shape)
    grad_weight = conv2d_backward(grad_out, x, weight, **chosen)[1]
    change = rng.normal(size=weight.shape)
    moved = conv2d(x, change, **chosen, algorithm="im2col")  # linear in the weight
    assert np.vdot(grad_weight, change) == pytest.approx(np.vdot(grad_out, moved), rel=1e-10)
