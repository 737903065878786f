"""The network inside `InsideCNN`: its input, its arithmetic and its shipped weights, in NumPy.

The page computes the same in JavaScript; the tests hold the two, and torch, against each other.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib import ops
from course_lib.data import Digits, digits

__all__ = [
    "DIGIT",
    "LAYERS",
    "SIZE",
    "WEIGHTS",
    "enlarge",
    "forward",
    "held_back",
    "pack",
    "shipped",
    "stretch",
    "unpack",
]

Array = npt.NDArray[np.float32]

SIZE = 32
"""Height and width of the network's input."""

DIGIT = 24
"""Height and width of an enlarged digit, in the middle of the input."""

DARK, LIGHT = 0.7, 0.3
"""Grey values that become ink (1) and paper (0): what is between is stretched."""

WEIGHTS = Path(__file__).with_name("inside_cnn.json")
"""The weights that the explorer comes with; `inside_cnn_weights` writes them."""


class Layer(NamedTuple):
    """One layer of LeNet-5: `kind` is "conv", "pool" or "full"; `maps` of `size` × `size`."""

    name: str
    kind: str
    maps: int
    size: int
    shape: tuple[int, ...] = ()
    """Of the weight, where the layer has one."""


LAYERS = (
    Layer("C1", "conv", 6, 28, (6, 1, 5, 5)),
    Layer("S2", "pool", 6, 14),
    Layer("C3", "conv", 16, 10, (16, 6, 5, 5)),
    Layer("S4", "pool", 16, 5),
    Layer("C5", "full", 120, 1, (120, 400)),
    Layer("F6", "full", 84, 1, (84, 120)),
    Layer("output", "full", 10, 1, (10, 84)),
)
"""LeCun's names: C a convolution, S a subsampling (here: max-pooling), F fully connected."""


def _cubic(distance: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The weight of a pixel at a distance, in Catmull and Rom's cubic interpolation."""
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def stretch(images: npt.NDArray[Any], size: int = DIGIT) -> Array:
    """Digits (N, 8, 8) made larger by cubic interpolation, in a frame of zeros: (N, 1, 32, 32).

    Grey, and a little beyond 0 and 1 beside strong edges.
    """
    # Middles of the new pixels, in pixels of the old.
    middles = (np.arange(size) + 0.5) * 8 / size - 0.5
    weights = _cubic(np.abs(middles[:, None] - np.arange(8)))  # (size, 8)
    large = np.einsum("ar,nrc,bc->nab", weights, images, weights).astype(np.float32)
    border = (SIZE - size) // 2
    return np.pad(large, ((0, 0), (border, border), (border, border)))[:, None]


def enlarge(images: npt.NDArray[Any], size: int = DIGIT) -> Array:
    """Digits as the network takes them: (N, 8, 8) in [0, 1] becomes (N, 1, 32, 32) in [0, 1].

    Each digit becomes `size` × `size` pixels by cubic interpolation, in the middle of an empty
    picture; values below 0.3 become 0 and those above 0.7 become 1 (what is between is stretched).
    So a stroke has the sharp edge that a pen has.

    >>> enlarge(np.ones((2, 8, 8))).shape
    (2, 1, 32, 32)
    """
    grey = stretch(np.asarray(images, dtype=np.float32), size)
    sharp: Array = np.clip((grey - LIGHT) / (DARK - LIGHT), 0, 1)
    return sharp


def held_back() -> Digits:
    """The digits that the network was not trained on: 8×8, as they are in the data set."""
    return digits("test")


def pack(tensors: list[Array], exact: bool = False) -> list[dict[str, Any]]:
    """The ten tensors (weight, bias, weight, …) as plain data.

    A weight becomes whole numbers from −127 to 127 times one scale for each output, in one byte
    each; with `exact`, float32 as it is. Biases are float32. Bytes are base64, little-endian.
    """
    packed = []
    for tensor in tensors:
        if tensor.ndim == 1 or exact:
            packed.append({"float32": _text(tensor.astype("<f4"))})
            continue
        rows = tensor.reshape(len(tensor), -1)
        scale = np.abs(rows).max(axis=1) / 127
        whole = np.round(rows / np.where(scale == 0, 1, scale)[:, None])
        packed.append({"int8": _text(whole.astype(np.int8)), "scale": _text(scale.astype("<f4"))})
    return packed


def unpack(packed: list[dict[str, Any]]) -> list[Array]:
    """What `pack` packed: for each layer with weights, its weight and its bias, float32."""
    shapes = [shape for layer in LAYERS if layer.shape for shape in (layer.shape, layer.shape[:1])]
    found: list[Array] = []
    for one, shape in zip(packed, shapes, strict=True):
        if "int8" in one:
            whole = np.frombuffer(base64.b64decode(one["int8"]), dtype=np.int8)
            scale = np.frombuffer(base64.b64decode(one["scale"]), dtype="<f4")
            rows = whole.reshape(shape[0], -1).astype(np.float32) * scale[:, None]
        else:
            rows = np.frombuffer(base64.b64decode(one["float32"]), dtype="<f4")
        found.append(rows.reshape(shape).astype(np.float32))
    return found


def _text(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def shipped() -> dict[str, Any]:
    """The file of weights: what it is, how accurate it was, and the packed tensors."""
    found: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return found


def forward(weights: list[Array], images: npt.NDArray[Any]) -> dict[str, Array]:
    """Every layer's values for images (N, 1, 32, 32), before and after its ReLU.

    A key is a layer's name; where a layer has a ReLU, `"C1 sum"` and so on hold what went into it.
    "output" holds logits, "probabilities" their softmax.
    """
    c1, c1_bias, c3, c3_bias, c5, c5_bias, f6, f6_bias, out, out_bias = weights
    found: dict[str, Array] = {}
    x = np.asarray(images, dtype=np.float32)

    def layer(name: str, sums: npt.NDArray[Any]) -> Array:
        found[f"{name} sum"] = sums.astype(np.float32)
        found[name] = np.maximum(found[f"{name} sum"], 0)
        return found[name]

    x = layer("C1", ops.conv2d(x, c1, c1_bias))  # (N, 6, 28, 28)
    x = found["S2"] = ops.max_pool2d(x, 2)  # (N, 6, 14, 14)
    x = layer("C3", ops.conv2d(x, c3, c3_bias))  # (N, 16, 10, 10)
    x = found["S4"] = ops.max_pool2d(x, 2)  # (N, 16, 5, 5)
    x = x.reshape(len(x), -1)  # (N, 400)
    x = layer("C5", x @ c5.T + c5_bias)  # (N, 120)
    x = layer("F6", x @ f6.T + f6_bias)  # (N, 84)
    logits = found["output"] = (x @ out.T + out_bias).astype(np.float32)  # (N, 10)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found["probabilities"] = powers / powers.sum(axis=1, keepdims=True)
    return found
