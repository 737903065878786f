"""Ten photographs that come with scikit-image and scikit-learn."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from course_lib._validate import IntOrPair, choice, flag, pair
from course_lib.data._packages import package

__all__ = ["photograph", "photograph_names"]

_FROM_SCIKIT_IMAGE = (
    "astronaut",  # colour, 512×512
    "brick",  # grey, 512×512, a texture
    "camera",  # grey, 512×512
    "chelsea",  # colour, 300×451, a cat
    "coffee",  # colour, 400×600
    "coins",  # grey, 303×384
    "grass",  # grey, 512×512, a texture
    "gravel",  # grey, 512×512, a texture
)
_FROM_SCIKIT_LEARN = (
    "china",  # colour, 427×640, a temple
    "flower",  # colour, 427×640
)


def photograph_names() -> tuple[str, ...]:
    """The names that `photograph` knows, in alphabetical order.

    >>> photograph_names()[:3]
    ('astronaut', 'brick', 'camera')
    """
    return tuple(sorted(_FROM_SCIKIT_IMAGE + _FROM_SCIKIT_LEARN))


def photograph(
    name: str, size: IntOrPair | None = None, grey: bool = True
) -> npt.NDArray[np.float32]:
    """A photograph by name, float32 in [0, 1]: (H, W) if `grey`, else (H, W, 3) as RGB.

    `size`, in pixels, is an int for a square or a (height, width) pair. The photograph is cut to
    that shape around its centre, so that nothing is stretched, and then resized with
    anti-aliasing. Without `size` it keeps its own.

    Grey is the luminance 0.2125 R + 0.7154 G + 0.0721 B. A photograph that is grey already comes
    with three equal channels when colour is asked for.

    Raises ValueError for an unknown name (and suggests the nearest) or a size below 1.

    >>> photograph("camera").shape, photograph("chelsea", size=(64, 96), grey=False).shape
    ((512, 512), (64, 96, 3))
    """
    choice(name, "name", photograph_names())
    shape = None if size is None else pair(size, "size", at_least=1)
    pixels = _original(name)  # (H, W) or (H, W, 3), from 0 to 255
    values = pixels / 255.0
    if flag(grey, "grey") and values.ndim == 3:
        values = values @ np.array([0.2125, 0.7154, 0.0721])  # (H, W, 3) → (H, W)
    elif not grey and values.ndim == 2:
        values = np.repeat(values[:, :, np.newaxis], 3, axis=2)  # (H, W) → (H, W, 3)
    if shape is not None:
        transform = package("skimage.transform", "scikit-image")
        values = transform.resize(_cut_to_shape(values, *shape), shape, anti_aliasing=True)
    return np.clip(values, 0.0, 1.0).astype(np.float32)  # the clip takes off rounding errors only


@functools.cache
def _original(name: str) -> npt.NDArray[np.uint8]:
    """The photograph as its package has it: shared between calls, so never handed out."""
    if name in _FROM_SCIKIT_LEARN:
        loaded = package("sklearn.datasets", "scikit-learn").load_sample_image(f"{name}.jpg")
    else:
        loaded = getattr(package("skimage.data", "scikit-image"), name)()
    pixels: npt.NDArray[np.uint8] = loaded
    pixels.setflags(write=False)
    return pixels


def _cut_to_shape(
    image: npt.NDArray[np.float64], height: int, width: int
) -> npt.NDArray[np.float64]:
    """The largest part around the centre whose sides are as height to width."""
    full_height, full_width = image.shape[:2]
    cut_height = min(full_height, max(1, round(full_width * height / width)))
    cut_width = min(full_width, max(1, round(full_height * width / height)))
    top, left = (full_height - cut_height) // 2, (full_width - cut_width) // 2
    return image[top : top + cut_height, left : left + cut_width]
