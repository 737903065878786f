"""Chapter 04: four ways to shrink an image, who wins, who learns, and what a shift does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from course_lib import geometry, ops
from course_lib.explorers.base import (
    Explorer,
    NumberTable,
    Position,
    WholeNumber,
    moved_inside,
    must_lie_in,
)

__all__ = ["Pooling"]

MAX_IMAGE = 10
MAX_WINDOW = 4
MAX_STRIDE = 4
KINDS = ("max", "average", "strided", "blur")

ZERO: list[list[float]] = [
    [0, 0, 5, 13, 9, 1, 0, 0],
    [0, 0, 13, 15, 10, 15, 5, 0],
    [0, 3, 15, 2, 0, 11, 8, 0],
    [0, 4, 12, 0, 0, 8, 8, 0],
    [0, 5, 8, 0, 0, 9, 8, 0],
    [0, 4, 11, 0, 1, 12, 7, 0],
    [0, 2, 14, 5, 10, 12, 0, 0],
    [0, 0, 6, 13, 10, 0, 0, 0],
]
"""A handwritten 0: the first image of scikit-learn's digits."""

_GEOMETRY = ("image", "kind", "kernel_size", "stride", "kernel")


class Pooling(Explorer):
    """Max pooling, average pooling, strided convolution and blur-pool on one shifted image.

    State (all of it can be given to the constructor, set, and read):

        image        list of rows, 2 × 2 to 10 × 10; the default is a handwritten 0
        kind         "max", "average", "strided" (convolution, 3×3, padding 1) or "blur" (blur-pool)
        kernel_size  1 to 4: the window of max and average pooling
        stride       1 to 4, of all four
        kernel       the strided convolution's weights, 3 × 3
        shift        pixels by which the image is shifted to the right; what leaves comes in again
        position     [row, column] of the current output
        filled       True shows what every shift changes, False only the shifts passed so far

    A window larger than the image and a shift of the whole width raise `traitlets.TraitError`. A
    position that falls off a smaller output moves to its nearest cell.

    >>> explorer = Pooling(image=[[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]])
    >>> explorer.output
    array([[4, 6],
           [8, 9]])
    >>> explorer.gradient
    array([[0, 0, 0, 0],
           [1, 0, 1, 0],
           [0, 1, 0, 0],
           [0, 0, 1, 0]])
    >>> explorer.shift = 2
    >>> round(explorer.change, 2)  # (2 + 2 + 1 + 1) / (4 + 6 + 8 + 9)
    0.22
    """

    _script = "pooling.js"
    _state_names = (*_GEOMETRY, "shift", "position", "filled")
    _frame_height = 900

    image = NumberTable(ZERO, MAX_IMAGE).tag(sync=True)
    kind = traitlets.Enum(KINDS, "max").tag(sync=True)
    kernel_size = WholeNumber(2, 1, MAX_WINDOW).tag(sync=True)
    stride = WholeNumber(2, 1, MAX_STRIDE).tag(sync=True)
    kernel = NumberTable([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 3).tag(sync=True)
    shift = WholeNumber(0, 0, MAX_IMAGE - 1).tag(sync=True)
    position = Position([0, 1]).tag(sync=True)
    filled = traitlets.Bool(False).tag(sync=True)

    @property
    def output(self) -> npt.NDArray[Any]:
        """The output of `kind` on the shifted image, shape (H_out, W_out)."""
        return self._output(self.shift)

    @property
    def gradient(self) -> npt.NDArray[Any]:
        """What each pixel of the shifted image gets if every output sends back 1, shape (H, W)."""
        x = self._shifted(self.shift)
        ones = np.ones((1, 1, *self.output_shape), dtype=int)
        match self.kind:
            case "max":
                grad = ops.max_pool2d_backward(ones, x, self.kernel_size, self.stride)
            case "average":
                grad = ops.avg_pool2d_backward(ones, x.shape, self.kernel_size, self.stride)
            case "strided":
                weight = np.array(self.kernel)[None, None]
                grad = ops.conv2d_backward(ones, x, weight, self.stride, padding=1)[0]
            case _:
                grad = ops.blur_pool2d_backward(ones, x.shape, self.stride)
        gradient: npt.NDArray[Any] = grad[0, 0]
        return gradient

    @property
    def change(self) -> float:
        """How much the shift changed the output: mean |new − old| over mean |old|.

        NaN where the unshifted output is zero everywhere.
        """
        old = self._output(0)
        size = float(np.abs(old).mean())
        return float(np.abs(self.output - old).mean()) / size if size else float("nan")

    @property
    def output_shape(self) -> tuple[int, int]:
        """(H_out, W_out)."""
        pools = self.kind in ("max", "average")
        kernel, padding = (self.kernel_size, 0) if pools else (3, 1)
        height, width = np.shape(self.image)
        return geometry.output_shape(height, width, kernel, self.stride, padding)

    def _shifted(self, shift: int) -> npt.NDArray[Any]:
        return np.roll(np.array(self.image), shift, axis=1)[None, None]  # (1, 1, H, W)

    def _output(self, shift: int) -> npt.NDArray[Any]:
        x = self._shifted(shift)
        match self.kind:
            case "max":
                out = ops.max_pool2d(x, self.kernel_size, self.stride)
            case "average":
                out = ops.avg_pool2d(x, self.kernel_size, self.stride)
            case "strided":
                out = ops.conv2d(x, np.array(self.kernel)[None, None], None, self.stride, 1)
            case _:
                out = ops.blur_pool2d(x, self.stride)
        output: npt.NDArray[Any] = out[0, 0]
        return output

    @traitlets.validate("image", "kernel_size")
    def _a_window_fits(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        least = min(np.shape(value if name == "image" else self.image))
        kernel_size = value if name == "kernel_size" else self.kernel_size
        if least < 2:
            raise traitlets.TraitError(
                f"image has shape {np.shape(value)}, must be at least 2 by 2"
            )
        if kernel_size > least:
            raise traitlets.TraitError(
                f"{name} (={value}) must let a window fit: kernel_size is {kernel_size} and the "
                f"image's shorter side has {least} pixels"
            )
        return value

    @traitlets.validate("kernel")
    def _the_kernel_is_3_by_3(self, proposal: Any) -> Any:
        if np.shape(proposal["value"]) != (3, 3):
            shape = np.shape(proposal["value"])
            raise traitlets.TraitError(f"kernel has shape {shape}, must be 3 by 3")
        return proposal["value"]

    @traitlets.validate("shift")
    def _the_shift_is_less_than_the_width(self, proposal: Any) -> Any:
        shift, width = proposal["value"], len(self.image[0])
        if shift >= width:
            raise traitlets.TraitError(
                f"shift (={shift}) must be below the image's width (={width})"
            )
        return shift

    @traitlets.validate("position")
    def _position_is_in_the_output(self, proposal: Any) -> Any:
        return must_lie_in(proposal["value"], self.output_shape)

    @traitlets.observe(*_GEOMETRY)
    def _keep_shift_and_position_inside(self, change: Any) -> None:
        self.shift = min(self.shift, len(self.image[0]) - 1)
        self.position = moved_inside(self.position, self.output_shape)
