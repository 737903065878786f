"""Chapter 09: stamps of a transposed convolution, their overlap, and resizing + convolution."""

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

__all__ = ["Upsampling"]

MAX_IMAGE = 5
MAX_KERNEL = 6
MAX_STRIDE = 3
MAX_PADDING = 3

_GEOMETRY = ("image", "kernel_size", "stride", "padding", "output_padding")


class Upsampling(Explorer):
    """Transposed convolution, stamp by stamp, beside nearest-neighbour resizing and a convolution.

    State (all of it can be given to the constructor, set, and read):

        image           list of rows, at most 5 × 5; one row is a strip, its kernel one row too
        kernel_size     1 to 6
        stride          1 to 3; the resizing enlarges by the same factor
        padding         0 to 3: pixels cut off each side of the stamped canvas
        output_padding  below the stride: pixels that stay, or come, at the end
        weights         "ones", or "tent" (highest in the middle, as in bilinear interpolation)
        show            "counts" (stamps on each output pixel) or "values"
        landed          stamps that have landed so far, in reading order; all of them by default
        position        [row, column] of the current output of the transposed convolution

    Settings that leave no output, and an output_padding that is not below the stride, raise
    `traitlets.TraitError`. A position that falls off a smaller output moves to its nearest cell;
    where all stamps of an image had landed, all those of the next image have.

    >>> explorer = Upsampling(image=[[1, 1, 1]], kernel_size=3, stride=2)
    >>> explorer.counts
    array([[1, 1, 2, 1, 2, 1, 1]])
    >>> explorer.landed = 1
    >>> explorer.output
    array([[1, 1, 1, 0, 0, 0, 0]])
    >>> explorer.resized
    array([[3, 3, 3, 3, 3, 3]])
    """

    _script = "upsampling.js"
    _state_names = (*_GEOMETRY, "weights", "show", "landed", "position")
    _frame_height = 950

    image = NumberTable([[1] * 5] * 5, MAX_IMAGE).tag(sync=True)
    kernel_size = WholeNumber(3, 1, MAX_KERNEL).tag(sync=True)
    stride = WholeNumber(2, 1, MAX_STRIDE).tag(sync=True)
    padding = WholeNumber(0, 0, MAX_PADDING).tag(sync=True)
    output_padding = WholeNumber(0, 0, MAX_STRIDE - 1).tag(sync=True)
    weights = traitlets.Enum(("ones", "tent"), "ones").tag(sync=True)
    show = traitlets.Enum(("counts", "values"), "counts").tag(sync=True)
    landed = WholeNumber(MAX_IMAGE**2, 0, MAX_IMAGE**2).tag(sync=True)
    position = Position([4, 4]).tag(sync=True)

    @property
    def output(self) -> npt.NDArray[Any]:
        """The transposed convolution of the pixels whose stamps have landed, (H_out, W_out)."""
        return self._stamped(np.array(self.image), self._kernel())

    @property
    def counts(self) -> npt.NDArray[Any]:
        """How many stamps have landed on each output pixel, (H_out, W_out)."""
        ones = np.ones(np.shape(self.image), dtype=int)
        return self._stamped(ones, np.ones(self._kernel().shape, dtype=int))

    @property
    def resized(self) -> npt.NDArray[Any]:
        """The image enlarged `stride` times, then convolved, its border repeated: (H·s, W·s)."""
        (rows, columns), kernel = self._axes("stride"), self._kernel()
        enlarged = np.repeat(np.repeat(np.array(self.image), rows, axis=0), columns, axis=1)
        around = [((k - 1) // 2, k // 2) for k in kernel.shape]  # an even kernel: one more behind
        padded = np.pad(enlarged, around, mode="edge")
        resized: npt.NDArray[Any] = ops.conv2d(padded[None, None], kernel[None, None])[0, 0]
        return resized

    @property
    def output_shape(self) -> tuple[int, int]:
        """(H_out, W_out) of the transposed convolution."""
        kernel, stride, padding, extra = (self._axes(name) for name in _GEOMETRY[1:])
        height, width = (
            geometry.transposed_output_size(
                n, kernel[axis], stride[axis], padding[axis], extra[axis]
            )
            for axis, n in enumerate(np.shape(self.image))
        )
        return height, width

    def _axes(self, name: str) -> tuple[int, int]:
        """What a setting is down and across: down a strip of one row nothing happens."""
        value: int = getattr(self, name)
        if len(self.image) > 1:
            return value, value
        return (1 if name in ("kernel_size", "stride") else 0), value

    def _kernel(self) -> npt.NDArray[Any]:
        rows, columns = self._axes("kernel_size")
        if self.weights == "ones":
            return np.ones((rows, columns), dtype=int)
        return np.outer(_tent(rows), _tent(columns))

    def _stamped(self, image: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
        landed = np.where(np.arange(image.size).reshape(image.shape) < self.landed, image, 0)
        stride, padding, extra = (
            self._axes(name) for name in ("stride", "padding", "output_padding")
        )
        stamped: npt.NDArray[Any] = ops.conv_transpose2d(
            landed[None, None], kernel[None, None], None, stride, padding, extra
        )[0, 0]
        return stamped

    @traitlets.validate(*_GEOMETRY)
    def _there_is_an_output(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        now: dict[str, Any] = {one: getattr(self, one) for one in _GEOMETRY} | {name: value}
        rows, columns = np.shape(now["image"])
        least = columns if rows == 1 else min(rows, columns)
        stride, extra = now["stride"], now["output_padding"]
        if extra >= stride:
            raise traitlets.TraitError(
                f"output_padding (={extra}) must be smaller than stride (={stride})"
            )
        size = (least - 1) * stride - 2 * now["padding"] + now["kernel_size"] + extra
        if size < 1:
            raise traitlets.TraitError(
                f"{name} (={value}) must leave some of the output: it would be {size} pixels wide"
            )
        return value

    @traitlets.validate("landed")
    def _as_many_stamps_as_pixels(self, proposal: Any) -> Any:
        landed, pixels = proposal["value"], np.size(self.image)
        if landed > pixels:
            raise traitlets.TraitError(
                f"landed (={landed}) must be at most {pixels}, a stamp for each pixel of the image"
            )
        return landed

    @traitlets.validate("position")
    def _position_is_in_the_output(self, proposal: Any) -> Any:
        return must_lie_in(proposal["value"], self.output_shape)

    @traitlets.observe("image")
    def _all_stay_all(self, change: Any) -> None:
        now = np.size(change["new"])
        # A constructor has no old image; its stamps are those it was given.
        before = np.size(change["old"]) if isinstance(change["old"], list) else now
        if self.landed == before or self.landed > now:
            self.landed = now

    @traitlets.observe(*_GEOMETRY)
    def _keep_the_position_inside(self, change: Any) -> None:
        self.position = moved_inside(self.position, self.output_shape)


def _tent(size: int) -> npt.NDArray[np.float64]:
    """Weights that fall evenly from the middle: 0.5, 1, 0.5."""
    from_middle = np.abs(np.arange(size) - (size - 1) / 2)
    weights: npt.NDArray[np.float64] = 1 - from_middle / ((size + 1) // 2)
    return weights
