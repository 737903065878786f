"""Chapter 03: a kernel's slices, their partial sums, and the maps that several kernels make."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from course_lib import cost, geometry, ops
from course_lib._validate import real_array
from course_lib.explorers.base import (
    Explorer,
    Position,
    WholeNumber,
    checked,
    moved_inside,
    must_lie_in,
)

__all__ = ["Channels"]

KERNEL = 3
MAX_MAPS = 4
FULL = 9
"""A colour at its brightest; 0 is none of it."""


def orange_on_blue() -> list[list[list[int]]]:
    """The default image: an orange disc on a blue ground, [red, green, blue], 6 × 6 pixels each.

    >>> [channel[2][2] for channel in orange_on_blue()], [c[0][0] for c in orange_on_blue()]
    ([9, 5, 0], [1, 2, 7])
    """
    rows, columns = np.indices((6, 6))
    disc = (rows - 2.5) ** 2 + (columns - 2.5) ** 2 < 4
    image: list[list[list[int]]] = np.where(
        disc, np.array([9, 5, 0])[:, None, None], np.array([1, 2, 7])[:, None, None]
    ).tolist()
    return image


EDGE = [[[-1, 0, 1]] * 3] * 3
"""Brighter on the right than on the left, in whatever colour."""

OPPONENT = [[[1, 0, -1]] * 3, [[-1, 0, 1]] * 3, [[0, 0, 0]] * 3]
"""Red on the left, green on the right."""


class Numbers(traitlets.TraitType[Any, Any]):
    """Nested lists of finite numbers whose shape lies between two shapes."""

    def __init__(
        self, default: list[Any], least: tuple[int, ...], most: tuple[int, ...], high: float | None
    ) -> None:
        super().__init__(default)
        self.least = least
        self.most = most
        self.high = high

    def validate(self, obj: Any, value: object) -> Any:
        name = self.name or "value"
        array = checked(lambda: real_array(value, name))
        sizes = [
            str(low) if low == high else f"({low} to {high})"
            for low, high in zip(self.least, self.most, strict=True)
        ]
        if array.ndim != len(sizes) or not all(
            low <= size <= high
            for low, size, high in zip(self.least, array.shape, self.most, strict=True)
        ):
            raise traitlets.TraitError(
                f"{name} has shape {array.shape}, must have {' × '.join(sizes)}"
            )
        if not np.isfinite(array).all():
            raise traitlets.TraitError(f"{name} must hold finite numbers only")
        if self.high is not None and not ((array >= 0) & (array <= self.high)).all():
            raise traitlets.TraitError(f"{name} must hold numbers from 0 to {self.high}")
        return (array + 0).tolist()  # + 0: True becomes 1

    def default(self, obj: Any = None) -> Any:
        # Lists of its own for every widget: the default is not to be shared and then changed.
        return np.array(self.default_value).tolist()


class Channels(Explorer):
    """A convolution of a colour image: each kernel has a slice for each channel.

    State (all of it can be given to the constructor, set, and read):

        image     [red, green, blue], each a list of rows, 3 × 3 to 8 × 8, numbers from 0 to 9
        kernels   1 to 4 kernels, each [red, green, blue] slices of 3 × 3: (C_out, 3, 3, 3)
        bias      a number for each kernel
        map       which of the maps is looked at, from 0
        position  [row, column] of the current output

    A bias for another number of kernels raises `traitlets.TraitError`. Other kernels keep the
    biases there are, and new ones start at 0.

    >>> explorer = Channels(position=(1, 0))
    >>> explorer.partial_sums
    [24, 9, -21]
    >>> explorer.output.shape, explorer.output[0, 1, 0].item()
    ((2, 4, 4), 12)
    >>> explorer.parameters
    56
    """

    _script = "channels.js"
    _state_names = ("image", "kernels", "bias", "map", "position")
    _frame_height = 850

    image = Numbers(orange_on_blue(), (3, 3, 3), (3, 8, 8), FULL).tag(sync=True)
    kernels = Numbers([EDGE, OPPONENT], (1, 3, 3, 3), (MAX_MAPS, 3, 3, 3), None).tag(sync=True)
    bias = Numbers([0, 0], (1,), (MAX_MAPS,), None).tag(sync=True)
    map = WholeNumber(0, 0, MAX_MAPS - 1).tag(sync=True)
    position = Position([1, 0]).tag(sync=True)

    @property
    def output(self) -> npt.NDArray[Any]:
        """All maps, shape (C_out, H_out, W_out)."""
        x = np.array(self.image)[None]  # (1, 3, H, W)
        maps: npt.NDArray[Any] = ops.conv2d(x, np.array(self.kernels), np.array(self.bias))[0]
        return maps

    @property
    def partial_sums(self) -> list[float]:
        """What each channel adds to the current output: [red, green, blue]."""
        row, column = self.position
        window = np.array(self.image)[:, row : row + KERNEL, column : column + KERNEL]
        products = window * np.array(self.kernels[self.map])  # (3, 3, 3)
        sums: list[float] = products.sum(axis=(1, 2)).tolist()
        return sums

    @property
    def parameters(self) -> int:
        """Weights and biases of all kernels."""
        return cost.conv_params(3, len(self.kernels), KERNEL)

    @property
    def output_shape(self) -> tuple[int, int]:
        """(H_out, W_out)."""
        height, width = np.shape(self.image)[1:]
        return geometry.output_shape(height, width, KERNEL)

    @traitlets.validate("bias")
    def _a_bias_for_each_kernel(self, proposal: Any) -> Any:
        bias = proposal["value"]
        if len(bias) != len(self.kernels):
            raise traitlets.TraitError(
                f"bias (={bias}) must have one number for each of the {len(self.kernels)} kernels"
            )
        return bias

    @traitlets.validate("map")
    def _the_map_is_there(self, proposal: Any) -> Any:
        if proposal["value"] >= len(self.kernels):
            raise traitlets.TraitError(
                f"map (={proposal['value']}) must be below the number of kernels "
                f"(={len(self.kernels)})"
            )
        return proposal["value"]

    @traitlets.validate("position")
    def _position_is_in_the_output(self, proposal: Any) -> Any:
        return must_lie_in(proposal["value"], self.output_shape)

    @traitlets.observe("image", "kernels")
    def _keep_the_rest_in_step(self, change: Any) -> None:
        count = len(self.kernels)
        self.bias = [*self.bias, *[0] * count][:count]
        self.map = min(self.map, count - 1)
        self.position = moved_inside(self.position, self.output_shape)
