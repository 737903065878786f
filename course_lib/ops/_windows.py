"""How many windows a kernel has on an image that is padded already."""

from __future__ import annotations


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
        dilation[0] * (kernel_shape[0] - 1) + 1,  # `geometry.effective_kernel`
        dilation[1] * (kernel_shape[1] - 1) + 1,
    )
    if span[0] > padded_shape[0] or span[1] > padded_shape[1]:
        raise ValueError(
            f"kernel has shape {kernel_shape}, must fit into the padded image: it spans {span} "
            f"pixels with dilation (={dilation}), and the padded image has shape {padded_shape}"
        )
    # `geometry.output_size` along each axis, without checking again what is checked already
    return (
        (padded_shape[0] - span[0]) // stride[0] + 1,
        (padded_shape[1] - span[1]) // stride[1] + 1,
    )
