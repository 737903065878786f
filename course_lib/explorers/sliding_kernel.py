"""Chapter 02: drag a kernel over a small image and watch its arithmetic."""

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

__all__ = ["SlidingKernel"]

MAX_IMAGE = 10
MAX_KERNEL = 5
MAX_STRIDE = 4
MAX_PADDING = 4
MAX_DILATION = 3

_GEOMETRY = ("image", "kernel", "stride", "padding", "dilation")


def ramp(size: int) -> list[list[float]]:
    """A ramp: rows 1 2 3 …, 2 3 4 …, and so on.

    >>> ramp(3)
    [[1, 2, 3], [2, 3, 4], [3, 4, 5]]
    """
    return [[row + column + 1 for column in range(size)] for row in range(size)]


class SlidingKernel(Explorer):
    """A kernel that slides over an image: slide, multiply, sum.

    State (all of it can be given to the constructor, set, and read):

        image     list of rows, at most 10 × 10; the default is `ramp(5)`
        kernel    list of rows, at most 5 × 5; the default is 1 0 1 / 0 1 0 / 1 0 1
        stride    1 to 4
        padding   0 to 4, zeros on every side
        dilation  1 to 3
        position  [row, column] of the current output
        filled    True shows the whole output, False only what the window has passed

    A setting for which no window fits raises `traitlets.TraitError`. To change several settings
    that only fit together, use `with explorer.hold_trait_notifications():`. A position that falls
    off a smaller output moves to its nearest cell.

    >>> explorer = SlidingKernel(position=(0, 1))
    >>> explorer.value
    20
    >>> explorer.stride = 2
    >>> explorer.output
    array([[15, 25],
           [25, 35]])
    """

    _script = "sliding_kernel.js"
    _state_names = (*_GEOMETRY, "position", "filled")
    _frame_height = 800

    image = NumberTable(ramp(5), MAX_IMAGE).tag(sync=True)
    kernel = NumberTable([[1, 0, 1], [0, 1, 0], [1, 0, 1]], MAX_KERNEL).tag(sync=True)
    stride = WholeNumber(1, 1, MAX_STRIDE).tag(sync=True)
    padding = WholeNumber(0, 0, MAX_PADDING).tag(sync=True)
    dilation = WholeNumber(1, 1, MAX_DILATION).tag(sync=True)
    position = Position([0, 0]).tag(sync=True)
    filled = traitlets.Bool(False).tag(sync=True)

    @property
    def output(self) -> npt.NDArray[Any]:
        """The whole output, shape (H_out, W_out), whatever the page shows of it."""
        return ops.conv2d_single(
            np.array(self.image), np.array(self.kernel), self.stride, self.padding, self.dilation
        )

    @property
    def value(self) -> float:
        """The output at the current position."""
        row, column = self.position
        number: float = self.output[row, column].item()
        return number

    @property
    def output_shape(self) -> tuple[int, int]:
        """(H_out, W_out)."""
        return geometry.output_shape(
            len(self.image),
            len(self.image[0]),
            (len(self.kernel), len(self.kernel[0])),
            self.stride,
            self.padding,
            self.dilation,
        )

    @traitlets.validate(*_GEOMETRY)
    def _a_window_fits(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        now = {one: getattr(self, one) for one in _GEOMETRY} | {name: value}
        for axis, side in enumerate(("height", "width")):
            n = np.shape(now["image"])[axis]
            taps = np.shape(now["kernel"])[axis]
            span = geometry.effective_kernel(taps, now["dilation"])
            padded = n + 2 * now["padding"]
            if span > padded:
                raise traitlets.TraitError(
                    f"{name} (={value}) must let a window fit: the kernel spans {span} pixels of "
                    f"{side} with dilation {now['dilation']}, and the padded image has {padded}"
                )
        return value

    @traitlets.validate("position")
    def _position_is_in_the_output(self, proposal: Any) -> Any:
        return must_lie_in(proposal["value"], self.output_shape)

    @traitlets.observe(*_GEOMETRY)
    def _keep_the_position_in_the_output(self, change: Any) -> None:
        self.position = moved_inside(self.position, self.output_shape)
