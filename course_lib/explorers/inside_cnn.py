"""Chapter 06: draw a digit and watch it flow through a trained LeNet-5."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from course_lib.explorers import inside_cnn_network as network
from course_lib.explorers.base import (
    Explorer,
    NumberTable,
    Position,
    WholeNumber,
    moved_inside,
    must_lie_in,
)

__all__ = ["InsideCNN"]

FIRST = 9
"""The held-back digit to begin with: a 3."""

_SHAPES = tuple(
    shape for layer in network.LAYERS if layer.shape for shape in (layer.shape, layer.shape[:1])
)


@cache
def _held_back() -> tuple[str, ...]:
    """The held-back digits as text: the label, then 64 grey values, 0 to 9 and a to g for 16."""
    images, labels = network.held_back()
    grey = np.round(images * 16).astype(int).reshape(len(images), -1)
    characters = "0123456789abcdefg"
    return tuple(
        str(label) + "".join(characters[value] for value in row)
        for label, row in zip(labels, grey, strict=True)
    )


@cache
def _enlarged(index: int, size: int) -> tuple[tuple[float, ...], ...]:
    """A held-back digit, enlarged to this size in a picture of 32×32, to hundredths."""
    image = network.enlarge(network.held_back().images[index : index + 1], size)[0, 0]
    return tuple(tuple(np.round(row.astype(float), 2).tolist()) for row in image)


class Picture(NumberTable):
    """32 rows of 32 numbers from 0 (paper) to 1 (ink), kept to hundredths."""

    def validate(self, obj: Any, value: object) -> list[list[float]]:
        rows = np.array(super().validate(obj, value), dtype=float)
        size = network.SIZE
        if rows.shape != (size, size):
            raise traitlets.TraitError(f"image has shape {rows.shape}, must be {size} by {size}")
        if rows.min() < 0 or rows.max() > 1:
            raise traitlets.TraitError("image must hold numbers from 0 (paper) to 1 (ink)")
        rounded: list[list[float]] = np.round(rows, 2).tolist()
        return rounded


class InsideCNN(Explorer):
    """A digit flows from left to right through LeNet-5: kernels, maps, pooled maps, class bars.

    `model` is a LeNet-5 of your own, trained on 32×32 digits (ink 1, paper 0): a torch module whose
    `state_dict` holds the ten tensors of LeNet-5 in order. Without one it is the course's, trained
    by `python -m course_lib.explorers.inside_cnn_weights` on digits of many sizes and places, about
    24 pixels high; one of your own is shown digits that fill the picture.

    State (all of it can be given to the constructor, set, and read):

        image      32 rows of 32 numbers from 0 (paper) to 1 (ink), kept to hundredths
        digit      which of the held-back digits the image is, from 0; None for a drawing
        layer      "C1", "S2", "C3", "S4", "C5", "F6" or "output": where the unit looked at is
        channel    its map (C1 to S4) or its number (C5, F6, output)
        position   its [row, column] in the map; [0, 0] where a map is one number
        source     which of the maps below is opened in its sum
        rectified  True shows the maps after their ReLU, False before it
        digit_size 24 or 32: height and width of the held-back digits in the picture

    Setting a layer keeps channel, position and source where they exist and moves them inside where
    they do not. `weights` and `digits` are what the page computes with, and `score` says how many
    of the held-back digits the network recognises, and how many there are; they cannot be set.

    >>> explorer = InsideCNN(digit=3)
    >>> explorer.prediction, explorer.label
    (2, 2)
    >>> explorer.maps("C1").shape
    (6, 28, 28)
    >>> explorer.field
    [8, 12, 14, 14]
    """

    _script = "inside_cnn.js"
    _parts = ("inside_cnn_network.js", "inside_cnn_flow.js", "inside_cnn_sum.js")
    _state_names = (
        "image",
        "digit",
        "layer",
        "channel",
        "position",
        "source",
        "rectified",
        "digit_size",
        "score",
        "weights",
        "digits",
    )
    _frame_height = 1150

    image = Picture([[0.0] * network.SIZE] * network.SIZE, network.SIZE).tag(sync=True)
    digit = traitlets.Int(None, allow_none=True).tag(sync=True)
    layer = traitlets.Enum([layer.name for layer in network.LAYERS], "C3").tag(sync=True)
    channel = WholeNumber(9, 0, 119).tag(sync=True)
    position = Position([4, 6]).tag(sync=True)
    source = WholeNumber(3, 0, 15).tag(sync=True)
    rectified = traitlets.Bool(True).tag(sync=True)
    digit_size = traitlets.Enum((network.DIGIT, network.SIZE), network.DIGIT).tag(sync=True)
    score = traitlets.List(traitlets.Int(), read_only=True).tag(sync=True)
    weights = traitlets.List(traitlets.Dict(), read_only=True).tag(sync=True)
    digits = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)

    def __init__(self, model: Any = None, **state: Any) -> None:
        for name in ("weights", "digits", "score"):
            if name in state:
                raise TypeError(f"{name} cannot be set; give a trained LeNet-5 as model")
        packed = network.shipped()["layers"] if model is None else _packed(model)
        if model is not None:
            state.setdefault("digit_size", network.SIZE)
        if "image" in state and "digit" in state:
            raise TypeError("give image or digit, not both")
        if "image" not in state and "digit" not in state:
            state["digit"] = FIRST
        super().__init__(**state)
        self.set_trait("weights", packed)
        self.set_trait("digits", list(_held_back()))
        self._measure()

    @property
    def values(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every layer's values for the image, as `inside_cnn_network.forward` names them."""
        images = np.array(self.image, dtype=np.float32)[None, None]  # (1, 1, 32, 32)
        found = network.forward(network.unpack(self.weights), images)
        return {name: array[0] for name, array in found.items()}

    def maps(self, layer: str | None = None) -> npt.NDArray[np.float32]:
        """The maps of a layer after its ReLU: (C, H, W), or (units,) where a map is one number."""
        name = self.layer if layer is None else layer
        found = self.values
        if name not in (one.name for one in network.LAYERS):
            names = ", ".join(one.name for one in network.LAYERS)
            raise ValueError(f"layer (={name!r}) must be one of {names}")
        return found[name]

    @property
    def value(self) -> float:
        """The value of the unit looked at, after its ReLU."""
        maps = self.maps()
        place = (self.channel, *self.position) if maps.ndim == 3 else (self.channel,)
        return float(maps[place])

    @property
    def field(self) -> list[int]:
        """What the unit looked at can see of the input: [top, left, height, width]."""
        box = [*self.position, 1, 1]
        for layer in reversed(network.LAYERS[: self._depth + 1]):
            top, left, height, width = box
            if layer.kind == "full":
                return [0, 0, network.SIZE, network.SIZE]
            if layer.kind == "pool":
                box = [2 * n for n in box]
            else:
                box = [top, left, height + 4, width + 4]
        return box

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """The softmax of the ten outputs."""
        return self.values["probabilities"]

    @property
    def prediction(self) -> int:
        """The digit with the highest output."""
        return int(self.probabilities.argmax())

    @property
    def label(self) -> int | None:
        """What the writer of the held-back digit meant; None for a drawing."""
        return None if self.digit is None else int(_held_back()[self.digit][0])

    @property
    def mistakes(self) -> list[int]:
        """The held-back digits that this network gets wrong."""
        images, labels = network.held_back()
        enlarged = network.enlarge(images, self.digit_size)
        found = network.forward(network.unpack(self.weights), enlarged)["output"]
        wrong: list[int] = np.flatnonzero(found.argmax(axis=1) != labels).tolist()
        return wrong

    def _measure(self) -> None:
        shipped = network.shipped()
        score = [shipped["right"], shipped["of"]]
        if self.weights != shipped["layers"] or self.digit_size != network.DIGIT:
            score[0] = score[1] - len(self.mistakes)
        self.set_trait("score", score)

    @property
    def _depth(self) -> int:
        return [layer.name for layer in network.LAYERS].index(self.layer)

    @traitlets.validate("digit")
    def _the_digit_is_there(self, proposal: Any) -> Any:
        digit = proposal["value"]
        if digit is not None and not 0 <= digit < len(_held_back()):
            raise traitlets.TraitError(
                f"digit (={digit}) must be one of the {len(_held_back())} held-back digits, "
                "counted from 0"
            )
        return digit

    @traitlets.validate("channel")
    def _the_channel_is_there(self, proposal: Any) -> Any:
        maps = network.LAYERS[self._depth].maps
        if proposal["value"] >= maps:
            raise traitlets.TraitError(
                f"channel (={proposal['value']}) must be below {self.layer}'s {maps}"
            )
        return proposal["value"]

    @traitlets.validate("position")
    def _the_position_is_in_the_map(self, proposal: Any) -> Any:
        size = network.LAYERS[self._depth].size
        return must_lie_in(proposal["value"], (size, size), f"maps of {self.layer},")

    @traitlets.observe("layer")
    def _keep_the_unit_in_the_layer(self, change: Any) -> None:
        layer = network.LAYERS[self._depth]
        self.channel = min(self.channel, layer.maps - 1)
        self.position = moved_inside(self.position, (layer.size, layer.size))

    @traitlets.observe("digit", "digit_size")
    def _show_the_digit(self, change: Any) -> None:
        if self.digit is not None:
            self.image = _enlarged(self.digit, self.digit_size)
        if change["name"] == "digit_size" and self.weights:
            self._measure()

    @traitlets.observe("image")
    def _a_drawing_is_no_held_back_digit(self, change: Any) -> None:
        if self.digit is not None and not np.allclose(
            self.image, _enlarged(self.digit, self.digit_size), atol=0.02
        ):
            self.digit = None

    def __repr__(self) -> str:
        long = ("image", "score", "weights", "digits")
        short = (name for name in self._state_names if name not in long)
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in short)
        return f"{type(self).__name__}({shown})"


def _packed(model: Any) -> list[dict[str, Any]]:
    """The weights of a learner's LeNet-5, or an error that says what is not LeNet-5 about it."""
    if isinstance(model, type):
        raise TypeError(f"model must be a trained module: give {model.__name__}(), not the class")
    if not callable(getattr(model, "state_dict", None)):
        raise TypeError(f"model must be a trained torch module, not {type(model).__name__}")
    named = list(model.state_dict().items())
    tensors = [tensor.detach().cpu().numpy().astype(np.float32) for _, tensor in named]
    for index, expected in enumerate(_SHAPES):
        if index >= len(tensors):
            raise ValueError(
                f"model has {len(tensors)} tensors, LeNet-5 has {len(_SHAPES)}: "
                f"there is none of shape {expected}"
            )
        shape = tensors[index].shape
        # C5 may be written as a convolution: the same 48,000 weights in the same order.
        if shape != expected and not (index == 4 and shape == (120, 16, 5, 5)):
            raise ValueError(
                f"model is no LeNet-5: {named[index][0]} has shape {tuple(shape)}, "
                f"must be {expected}"
            )
        if not np.isfinite(tensors[index]).all():
            raise ValueError(f"model has a weight that is not finite, in {named[index][0]}")
    if len(tensors) > len(_SHAPES):
        raise ValueError(
            f"model has {len(tensors)} tensors, LeNet-5 has {len(_SHAPES)}: "
            f"{named[len(_SHAPES)][0]} is one too many"
        )
    packed = network.pack(tensors, exact=True)
    _same_arithmetic(model, packed)
    return packed


def _same_arithmetic(model: Any, packed: list[dict[str, Any]]) -> None:
    """Raise ValueError where the module computes something else with LeNet-5's weights."""
    import torch

    images = network.enlarge(network.held_back().images[:4])
    expected = network.forward(network.unpack(packed), images)["output"]
    first = next(model.parameters())
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            x = torch.from_numpy(images).to(first.device, first.dtype)
            found = model(x).cpu().numpy().reshape(len(images), -1)
    finally:
        model.train(training)
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=1e-2, atol=1e-2):
        raise ValueError(
            "model has LeNet-5's weights but computes other outputs: it must use ReLU after C1, "
            "C3, C5 and F6, 2×2 max-pooling after the first two, and return logits"
        )
