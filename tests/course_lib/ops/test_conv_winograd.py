"""Winograd's matrices, exactly, and what they do to float32."""

from fractions import Fraction

import numpy as np
import pytest

from course_lib.ops import conv2d
from course_lib.ops.conv_winograd import TRANSFORMS


@pytest.mark.parametrize("m", TRANSFORMS)
def test_in_fractions_the_identity_is_exact(m):
    b_t, g, a_t = (
        np.vectorize(lambda v: Fraction(v).limit_denominator(24), otypes=[object])(matrix)
        for matrix in TRANSFORMS[m]
    )
    rng = np.random.default_rng(0)
    kernel = rng.integers(-99, 100, 3).astype(object)
    pixels = rng.integers(-99, 100, m + 2).astype(object)
    outputs = a_t @ ((g @ kernel) * (b_t @ pixels))
    assert outputs.tolist() == [sum(kernel * pixels[i : i + 3]) for i in range(m)]
    assert len(g) == m + 2  # multiplications, in place of 3·m


@pytest.mark.parametrize("algorithm", ["winograd", "winograd_2x2"])
@pytest.mark.parametrize("block_bytes", [1, 3_000, 2**40])
def test_blocks_of_any_size_give_the_same_numbers(algorithm, block_bytes, monkeypatch):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 4, 17, 15)), rng.normal(size=(6, 2, 3, 3))
    expected = conv2d(x, weight, padding=1, groups=2, algorithm="loops")
    monkeypatch.setattr("course_lib.ops.conv_winograd.BLOCK_BYTES", block_bytes)
    out = conv2d(x, weight, padding=1, groups=2, algorithm=algorithm)
    np.testing.assert_allclose(out, expected, 1e-10, 1e-12)


def test_larger_tiles_cost_accuracy():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(1, 32, 16, 16)), rng.normal(size=(8, 32, 3, 3))
    exact = conv2d(x, weight, algorithm="loops")
    error = {
        name: np.abs(
            conv2d(x.astype("float32"), weight.astype("float32"), algorithm=name) - exact
        ).max()
        for name in ("blocked", "winograd_2x2", "winograd")
    }
    assert error["winograd"] > 2 * error["winograd_2x2"]
    assert error["winograd"] < 1e-5 * np.abs(exact).max()
    assert error["blocked"] < error["winograd"]
