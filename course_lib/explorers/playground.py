"""The playground: one convolution's settings, and at once all that follows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from course_lib import cost, data, geometry, ops
from course_lib._validate import Array, real_array
from course_lib.explorers.base import Explorer, NumberTable, WholeNumber

__all__ = ["Playground", "gradient", "shrunk", "sobel_x"]

SIZE = 64  # pixels of a side, of what is drawn
LEAST = 28  # of a side: every setting of the sliders finds a place for a window
MAX_LAYERS = 10
MAX_CHANNELS = 1024

_SETTINGS = ("kernel_size", "stride", "padding", "dilation")


def sobel_x(size: int) -> npt.NDArray[np.int64]:
    """A Sobel-like kernel of any size from 2: a difference across, a binomial blur down.

    >>> print(sobel_x(3))
    [[-1  0  1]
     [-2  0  2]
     [-1  0  1]]
    """
    blur, difference = np.array([1]), np.array([-1, 1])
    for _ in range(size - 1):
        blur = np.convolve(blur, [1, 1])
    for _ in range(size - 2):
        difference = np.convolve(difference, [1, 1])
    return np.outer(blur, difference)


def gradient(size: int = SIZE) -> Array:
    """An image that grows brighter from left to right, from 0 to 1, shape (size, size).

    >>> gradient(3).tolist()
    [[0.0, 0.5, 1.0], [0.0, 0.5, 1.0], [0.0, 0.5, 1.0]]
    """
    return np.tile(np.linspace(0, 1, size), (size, 1))


def shrunk(image: npt.ArrayLike, size: int = SIZE) -> Array:
    """An image as the playground shows it: grey, square, `size` pixels a side, from 0 to 1.

    `image` is (H, W) or (H, W, channels), at least 28 pixels a side. The largest square in its
    middle is cut out, blocks of pixels are averaged, and the darkest and brightest become 0 and 1.

    Raises ValueError where the image is smaller or has another rank.
    """
    array = real_array(image, "image").astype(float)
    if array.ndim == 3:
        array = array[..., :3].mean(axis=-1)
    if array.ndim != 2 or min(array.shape) < LEAST:
        raise ValueError(
            f"image has shape {np.shape(image)}, must be (H, W) or (H, W, channels) "
            f"and at least {LEAST} pixels a side"
        )
    side = min(array.shape)
    block = max(1, -(-side // size))  # rounded up: what is left is at most size a side
    kept = side // block * block
    top, left = ((n - kept) // 2 for n in array.shape)
    square = array[top : top + kept, left : left + kept]
    blocks = square.reshape(kept // block, block, kept // block, block)  # (h, block, w, block)
    means = blocks.mean(axis=(1, 3))
    spread = float(means.max() - means.min())
    result: Array = (means - means.min()) / spread if spread > 0 else np.zeros_like(means)
    return result


class Playground(Explorer):
    """One convolution, and everything that follows from its settings, live.

    State (all of it can be given to the constructor, set, and read):

        kernel_size   2 to 7
        stride        1 to 4
        padding       0 to 6
        dilation      1 to 4
        layers        1 to 10, convolutions stacked with these settings
        in_channels   1 to 1024
        out_channels  1 to 1024
        picture       "gradient", "photograph" or "your own"
        own           rows of the image called "your own", 28 to 64 pixels a side

    Give an image of your own as `Playground.of(image)`: any size, grey or colour.

    >>> playground = Playground(kernel_size=5, stride=2)
    >>> playground.output_shape, playground.receptive_fields[:3]
    ((30, 30), [5, 13, 29])
    >>> playground.torch_line
    'nn.Conv2d(64, 128, kernel_size=5, stride=2)'
    """

    _script = "playground.js"
    _state_names = (
        *_SETTINGS,
        "layers",
        "in_channels",
        "out_channels",
        "picture",
        "own",
    )
    _frame_height = 980

    kernel_size = WholeNumber(3, 2, 7).tag(sync=True)
    stride = WholeNumber(1, 1, 4).tag(sync=True)
    padding = WholeNumber(0, 0, 6).tag(sync=True)
    dilation = WholeNumber(1, 1, 4).tag(sync=True)
    layers = WholeNumber(5, 1, MAX_LAYERS).tag(sync=True)
    in_channels = WholeNumber(64, 1, MAX_CHANNELS).tag(sync=True)
    out_channels = WholeNumber(128, 1, MAX_CHANNELS).tag(sync=True)
    picture = traitlets.Enum(["gradient", "photograph", "your own"], "photograph").tag(sync=True)
    own = NumberTable(gradient(LEAST).tolist(), SIZE).tag(sync=True)
    photograph = NumberTable([[0.0]], SIZE).tag(sync=True)

    def __init__(self, **state: Any) -> None:
        super().__init__(**state)
        photo = np.round(shrunk(data.photograph("camera")), 3)
        self.photograph = photo.tolist()

    @classmethod
    def of(cls, image: npt.ArrayLike, **state: Any) -> Playground:
        """A playground that shows an image of your own, cut square and made small (`shrunk`)."""
        own = np.round(shrunk(image), 3).tolist()
        return cls(own=own, picture="your own", **state)

    def state(self) -> dict[str, Any]:
        """The state as plain data, with the photograph that a page of its own needs."""
        return {**super().state(), "photograph": self.photograph}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self._state_names[:-1])
        return f"Playground({shown})"

    @property
    def image(self) -> Array:
        """The image that is shown, (H, W)."""
        if self.picture == "gradient":
            return gradient()
        return np.array(self.own if self.picture == "your own" else self.photograph)

    @property
    def response(self) -> Array:
        """What the Sobel-like kernel answers to the image, (H_out, W_out)."""
        kernel = sobel_x(self.kernel_size).astype(float)
        return ops.conv2d_single(self.image, kernel, self.stride, self.padding, self.dilation)

    @property
    def output_shape(self) -> tuple[int, int]:
        """(H_out, W_out)."""
        height, width = self.image.shape
        settings = {name: getattr(self, name) for name in ("stride", "padding", "dilation")}
        return geometry.output_shape(height, width, self.kernel_size, **settings)

    @property
    def receptive_fields(self) -> list[int]:
        """The receptive field after 1, 2, … `layers` such convolutions, in pixels of a side."""
        fields, field, jump = [], 1, 1
        for _ in range(self.layers):
            field += (geometry.effective_kernel(self.kernel_size, self.dilation) - 1) * jump
            jump *= self.stride
            fields.append(field)
        return fields

    @property
    def separable_weights(self) -> tuple[int, int]:
        """Weights of the convolution, and of a depthwise and a pointwise one in its place."""
        taps, c_in, c_out = self.kernel_size, self.in_channels, self.out_channels
        standard = cost.conv_params(c_in, c_out, taps, bias=False)
        depthwise = cost.conv_params(1, c_in, taps, bias=False)
        pointwise = cost.conv_params(c_in, c_out, 1, bias=False)
        return standard, depthwise + pointwise

    @property
    def torch_line(self) -> str:
        """The line of PyTorch that builds this layer."""
        words = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1)):
            if getattr(self, name) != default:
                words.append(f"{name}={getattr(self, name)}")
        return f"nn.Conv2d({', '.join(words)})"

    @traitlets.validate("own")
    def _own_is_large_enough(self, proposal: Any) -> Any:
        rows = proposal["value"]
        if min(np.shape(rows)) < LEAST:
            raise traitlets.TraitError(
                f"own has shape {np.shape(rows)}, must be at least {LEAST} by {LEAST}"
            )
        return rows
