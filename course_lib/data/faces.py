"""200 patches of photographs, half of them faces, that come with scikit-image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib.data._packages import package

__all__ = ["Faces", "faces"]


class Faces(NamedTuple):
    """Images (N, 25, 25), float32 in [0, 1], and labels (N,), int64: 1 a face, 0 none."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def faces() -> Faces:
    """100 faces, then 100 patches without a face, all grey and 25×25 pixels.

    Source: a part of *Labeled Faces in the Wild*, G. Huang et al., 2007.

    >>> images, labels = faces()
    >>> images.shape, int(labels.sum())
    ((200, 25, 25), 100)
    """
    images = package("skimage.data", "scikit-image").lfw_subset()  # (200, 25, 25), in [0, 1]
    labels = np.repeat(np.array([1, 0], dtype=np.int64), 100)  # (200,): the faces come first
    return Faces(images.astype(np.float32), labels)
