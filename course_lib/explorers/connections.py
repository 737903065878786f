"""Chapter 01: which pixels an output uses, through which weights, dense and convolutional."""

from __future__ import annotations

from typing import Any

import traitlets

from course_lib import cost, geometry
from course_lib.explorers.base import Explorer, Position, WholeNumber, moved_inside, must_lie_in

__all__ = ["Connections"]


class Connections(Explorer):
    """A dense layer and a convolution between the same image and the same outputs.

    State (all of it can be given to the constructor, set, and read):

        image_size    3 to 8: the image has image_size × image_size pixels
        kernel_size   1 to 5, at most image_size
        in_channels   1 to 16
        out_channels  1 to 16
        side          "output" or "input": which side is pointed at
        position      [row, column] of the cell pointed at

    A kernel larger than the image raises `traitlets.TraitError`; a position that falls off a
    smaller grid moves to its nearest cell.

    >>> explorer = Connections(image_size=6, kernel_size=3)
    >>> explorer.dense_weights, explorer.conv_weights
    (576, 9)
    """

    _script = "connections.js"
    _state_names = (
        "image_size",
        "kernel_size",
        "in_channels",
        "out_channels",
        "side",
        "position",
    )
    _frame_height = 900

    image_size = WholeNumber(6, 3, 8).tag(sync=True)
    kernel_size = WholeNumber(3, 1, 5).tag(sync=True)
    in_channels = WholeNumber(1, 1, 16).tag(sync=True)
    out_channels = WholeNumber(1, 1, 16).tag(sync=True)
    side = traitlets.Enum(("output", "input"), "output").tag(sync=True)
    position = Position([1, 2]).tag(sync=True)

    @property
    def output_size(self) -> int:
        """Height and width of the output: where the kernel fits without padding."""
        return geometry.output_size(self.image_size, self.kernel_size)

    @property
    def dense_weights(self) -> int:
        """Weights of the dense layer, biases not counted."""
        inputs = self.image_size**2 * self.in_channels
        outputs = self.output_size**2 * self.out_channels
        return cost.fc_params(inputs, outputs, bias=False)

    @property
    def conv_weights(self) -> int:
        """Weights of the convolution, biases not counted."""
        return cost.conv_params(self.in_channels, self.out_channels, self.kernel_size, bias=False)

    @traitlets.validate("image_size", "kernel_size")
    def _kernel_fits(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        image_size = value if name == "image_size" else self.image_size
        kernel_size = value if name == "kernel_size" else self.kernel_size
        if kernel_size > image_size:
            raise traitlets.TraitError(
                f"{name} (={value}) must let the kernel fit: kernel_size is {kernel_size} and "
                f"image_size is {image_size}"
            )
        return value

    @traitlets.validate("position")
    def _position_is_on_its_side(self, proposal: Any) -> Any:
        size = self._size_of_side()
        return must_lie_in(proposal["value"], (size, size), self.side)

    @traitlets.observe("image_size", "kernel_size", "side")
    def _keep_the_position_on_its_side(self, change: Any) -> None:
        size = self._size_of_side()
        self.position = moved_inside(self.position, (size, size))

    def _size_of_side(self) -> int:
        return self.image_size if self.side == "input" else self.output_size
