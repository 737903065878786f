"""The Fourier form against SciPy's, which knows one channel and no stride."""

import numpy as np
import pytest
import scipy.signal

from course_lib.ops import conv2d


@pytest.mark.parametrize("kernel_shape", [(1, 1), (3, 4), (11, 9), (16, 15)])
def test_against_scipy(kernel_shape):
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(16, 15)), rng.normal(size=kernel_shape)
    expected = scipy.signal.oaconvolve(image, kernel[::-1, ::-1], mode="valid")
    out = conv2d(image[None, None], kernel[None, None], algorithm="fft")[0, 0]
    np.testing.assert_allclose(out, expected, 1e-10, 1e-12)


def test_single_precision_stays_single():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 4, 40, 40)), rng.normal(size=(3, 4, 15, 15))
    exact = conv2d(x, weight)
    out = conv2d(x.astype("float32"), weight.astype("float32"), algorithm="fft")
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, exact, 1e-5, 1e-5 * np.abs(exact).max())
