"""How many windows a kernel has on an image that is padded already."""

from __future__ import annotations

from course_lib.geometry import effective_kernel, output_size


def window_grid(
    padded_shape: tuple[int, int],
    kernel_shape: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[int, int]:
    """The shape (H_out, W_out) of the output; ValueError where not one window fits.

    >>> window_grid((5, 6), (3, 3), stride=(1, 2), dilation=(2, 1))
    (1, 2)
    """
    span = (
        effective_kernel(kernel_shape[0], dilation[0]),
        effective_kernel(kernel_shape[1], dilation[1]),
    )
    if span[0] > padded_shape[0] or span[1] > padded_shape[1]:
        raise ValueError(
            f"kernel has shape {kernel_shape}, must fit into the padded image: it spans {span} "
            f"pixels with dilation (={dilation}), and the padded image has shape {padded_shape}"
        )
    return (
        output_size(padded_shape[0], kernel_shape[0], stride[0], dilation=dilation[0]),
        output_size(padded_shape[1], kernel_shape[1], stride[1], dilation=dilation[1]),
    )
