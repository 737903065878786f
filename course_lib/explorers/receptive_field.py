"""Chapter 05: build a stack of layers and see which pixels a unit depends on, and how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from course_lib import geometry
from course_lib._validate import integer
from course_lib.explorers.base import Explorer, WholeNumber, checked

__all__ = ["ReceptiveField"]

MAX_LAYERS = 8
RANGES = {"kernel": (1, 7), "stride": (1, 4), "padding": (0, 8), "dilation": (1, 8)}
"""What a layer may hold, in the order of its four numbers."""

_LEFT_OUT = {"stride": 1, "padding": 0, "dilation": 1}


class Layers(traitlets.TraitType[list[list[int]], Any]):
    """1 to 8 layers, each [kernel, stride, padding, dilation]; the last numbers may be left out."""

    def validate(self, obj: Any, value: object) -> list[list[int]]:
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAX_LAYERS:
            raise traitlets.TraitError(
                f"layers (={value!r}) must be a list of 1 to {MAX_LAYERS} layers"
            )
        layers: list[list[int]] = checked(
            lambda: [_layer(layer, f"layers[{place}]") for place, layer in enumerate(value)]
        )
        return layers

    def default(self, obj: Any = None) -> list[list[int]]:
        # A list of its own for every widget: the default is not to be shared and then changed.
        return [list(layer) for layer in self.default_value]


class Unit(traitlets.TraitType[list[int], Any]):
    """A unit as [layer, index]: layers counted from 1, their units from 0."""

    def validate(self, obj: Any, value: object) -> list[int]:
        if not isinstance(value, (list, tuple, np.ndarray)) or len(value) != 2:
            raise traitlets.TraitError(f"unit (={value!r}) must be a pair (layer, index)")
        layer, index = value
        unit: list[int] = checked(
            lambda: [integer(layer, "unit[0]", 1), integer(index, "unit[1]", 0)]
        )
        return unit


class ReceptiveField(Explorer):
    """A stack of layers along one axis, and what a unit of it sees.

    State (all of it can be given to the constructor, set, and read):

        image_size  8 to 64 pixels
        layers      1 to 8 layers (kernel, stride, padding, dilation), the first next to the
                    pixels; a layer may leave out its last numbers
        unit        [layer, index] of the unit looked at, layers counted from 1, units from 0
        effective   True shows the effective field too

    A stack in which a window does not fit raises `traitlets.TraitError`. To change layers and image
    size together, use `with explorer.hold_trait_notifications():`. A unit that falls off a smaller
    stack moves to its nearest neighbour.

    >>> explorer = ReceptiveField(layers=[(3, 1, 1), (3, 2, 1), (3, 1, 1), (3, 2, 1)], unit=(4, 2))
    >>> explorer.field
    ReceptiveField(size=13, jump=4, start=-6)
    >>> explorer.region
    (2, 14)
    >>> explorer.paths
    array([ 0,  0,  1,  2,  5,  6, 10, 10, 13, 10, 10,  6,  5,  2,  1,  0,  0,
            0,  0,  0,  0,  0,  0,  0])
    """

    _script = "receptive_field.js"
    _state_names = ("image_size", "layers", "unit", "effective")
    _frame_height = 950

    image_size = WholeNumber(24, 8, 64).tag(sync=True)
    layers = Layers([[3, 1, 1, 1], [3, 2, 1, 1], [3, 1, 1, 1], [3, 2, 1, 1]]).tag(sync=True)
    unit = Unit([4, 3]).tag(sync=True)
    effective = traitlets.Bool(True).tag(sync=True)

    @property
    def units(self) -> tuple[int, ...]:
        """How many pixels there are, and how many units in each layer."""
        return _units(self.image_size, self.layers)

    @property
    def field(self) -> geometry.ReceptiveField:
        """Size, jump and start of the layer of the unit looked at."""
        return geometry.receptive_field(self.layers[: self.unit[0]])

    @property
    def region(self) -> tuple[int, int]:
        """The first and the last pixel of the unit's field, not clipped to the image."""
        layer, index = self.unit
        return geometry.input_region(self.layers[:layer], index)

    @property
    def paths(self) -> npt.NDArray[np.int64]:
        """The effective field: the number of paths from each pixel to the unit, (image_size,).

        It is the unit's gradient in a network whose weights are all 1, without non-linearity. A
        path that enters the padding ends there.
        """
        layer, index = self.unit
        units = self.units
        counts = np.zeros(units[layer], dtype=np.int64)
        counts[index] = 1
        for below in reversed(range(layer)):
            kernel, stride, padding, dilation = self.layers[below]
            spread = np.zeros(units[below], dtype=np.int64)
            for place in np.flatnonzero(counts):
                start = int(place) * stride - padding
                for pixel in geometry.window_pixels(start, kernel, dilation):
                    if 0 <= pixel < units[below]:
                        spread[pixel] += counts[place]
            counts = spread
        return counts

    @traitlets.validate("image_size", "layers")
    def _every_window_fits(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        now = {"image_size": self.image_size, "layers": self.layers} | {name: value}
        _units(now["image_size"], now["layers"])
        return value

    @traitlets.validate("unit")
    def _unit_is_in_the_stack(self, proposal: Any) -> Any:
        layer, index = proposal["value"]
        if layer > len(self.layers):
            raise traitlets.TraitError(
                f"unit[0] (={layer}) must be a layer, 1 to {len(self.layers)}"
            )
        if index >= self.units[layer]:
            raise traitlets.TraitError(
                f"unit[1] (={index}) must be below the number of units of layer {layer} "
                f"(={self.units[layer]})"
            )
        return [layer, index]

    @traitlets.observe("image_size", "layers")
    def _keep_the_unit_in_the_stack(self, change: Any) -> None:
        layer = min(self.unit[0], len(self.layers))
        self.unit = [layer, min(self.unit[1], self.units[layer] - 1)]


def _layer(value: object, name: str) -> list[int]:
    """Check one layer and fill in what it leaves out."""
    if not isinstance(value, (list, tuple, np.ndarray)) or not 1 <= len(value) <= 4:
        raise ValueError(
            f"{name} (={value!r}) must be 1 to 4 numbers (kernel, stride, padding, dilation)"
        )
    numbers = [*value, *list(_LEFT_OUT.values())[len(value) - 1 :]]
    checked = []
    for number, (part, (low, high)) in zip(numbers, RANGES.items(), strict=True):
        checked.append(integer(number, f"{part} of {name}", at_least=low))
        if checked[-1] > high:
            raise ValueError(f"{part} of {name} (={number}) must be at most {high}")
    return checked


def _units(image_size: int, layers: list[list[int]]) -> tuple[int, ...]:
    """The number of units before the first layer, after it, …; TraitError where none fits."""
    units = [image_size]
    for place, (kernel, stride, padding, dilation) in enumerate(layers):
        span = geometry.effective_kernel(kernel, dilation)
        if span > units[-1] + 2 * padding:
            raise traitlets.TraitError(
                f"layers[{place}] (={layers[place]}) must let a window fit: it spans {span} units, "
                f"and there are {units[-1]} below it with {padding} of padding at each end"
            )
        units.append(geometry.output_size(units[-1], kernel, stride, padding, dilation))
    return tuple(units)
