"""The same pictures with their pixels shuffled, all in the same way.

Every value is still there, each always in the same place, so a layer that gives each pixel
its own weight has lost nothing. Neighbours are no longer neighbours, so a layer that looks at
neighbourhoods has lost its ground.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, integer, planes

__all__ = ["permute_pixels"]


def permute_pixels(images: npt.ArrayLike, seed: int) -> Array:
    """Shuffle the pixels of each image (…, H, W), with one permutation for all of them.

    The permutation depends on H·W and `seed` alone, so train and test images, permuted apart with
    one seed, still match. Axes before the last two (images, channels) stay as they are.

    Raises ValueError for fewer than two dimensions or a negative seed.

    >>> print(permute_pixels([[[1, 2], [3, 4]], [[10, 20], [30, 40]]], seed=0))
    [[[ 3  1]
      [ 2  4]]
    <BLANKLINE>
     [[30 10]
      [20 40]]]
    """
    images = planes(images, "images")
    height, width = images.shape[-2:]
    order = np.random.default_rng(integer(seed, "seed", at_least=0)).permutation(height * width)
    flat = images.reshape(*images.shape[:-2], height * width)  # (…, H·W)
    return flat[..., order].reshape(images.shape)  # (…, H, W)
