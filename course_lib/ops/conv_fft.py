"""Convolution by Fourier transform: sliding becomes multiplying.

The convolution theorem: the transform of a convolution is the product of the transforms. A
layer's sum over channels stays a sum, one for each frequency. Sliding a kernel unflipped, as
layers do, is the product with the *conjugate* of the kernel's transform.

The cost does not depend on the kernel's size, as the kernel is enlarged to the image's anyway:
worth it for large kernels, a waste for 3×3. Transforms take every position, so stride saves
nothing.

Source: Mathieu, Henaff and LeCun, "Fast training of convolutional networks through FFTs", 2014.
"""

from __future__ import annotations

import numpy as np

from course_lib._validate import Array
from course_lib.ops._dtypes import in_floats
from course_lib.ops._settings import ConvSettings, padded


@in_floats
def fft(x: Array, weight: Array, settings: ConvSettings) -> Array:
    """Convolution, (N, C, H, W) → (N, C_out, H_out, W_out), by way of the frequencies."""
    x = padded(x, settings).astype(weight.dtype, copy=False)
    images, c_out, groups = len(x), len(weight), settings.groups
    (s_h, s_w), (d_h, d_w), (out_h, out_w) = settings.stride, settings.dilation, settings.out
    spread = np.zeros((*weight.shape[:2], *settings.span), dtype=weight.dtype)
    spread[:, :, ::d_h, ::d_w] = weight  # dilation: the same taps with zeros between them

    # Windows that wrap around the border are the last span - 1 ones, which no valid output needs.
    x_hat = np.fft.rfft2(x, s=settings.padded)  # (N, C, F_h, F_w)
    weight_hat = np.fft.rfft2(spread, s=settings.padded).conj()  # (C_out, C/G, F_h, F_w)
    # Frequencies in front: for each of them one small matrix product, the sum over channels.
    x_hat = x_hat.reshape(images, groups, weight.shape[1], *x_hat.shape[2:])
    x_hat = x_hat.transpose(3, 4, 1, 2, 0)  # (F_h, F_w, G, C/G, N)
    weight_hat = weight_hat.reshape(groups, c_out // groups, *weight_hat.shape[1:])
    weight_hat = weight_hat.transpose(3, 4, 0, 1, 2)  # (F_h, F_w, G, C_out/G, C/G)
    out_hat = weight_hat @ x_hat  # (F_h, F_w, G, C_out/G, N)
    out_hat = out_hat.transpose(4, 2, 3, 0, 1).reshape(images, c_out, *out_hat.shape[:2])
    out = np.fft.irfft2(out_hat, s=settings.padded)  # (N, C_out, H_p, W_p), every position
    return out[:, :, : (out_h - 1) * s_h + 1 : s_h, : (out_w - 1) * s_w + 1 : s_w].copy()
