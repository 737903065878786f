"""How well a mask was found: the overlap of two masks, and the share of mistakes along the edges.

A mask is an array of labels, 0 for the background; masks of many images are stacked in one array.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, integer, numbers, planes, shaped

__all__ = ["boundary_error", "edge_band", "iou", "mean_iou"]


def iou(pred: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Intersection over union of two masks of any shape: pixels in both, over pixels in either.

    Whatever is not 0 belongs to the mask. Two empty masks agree: 1.

    Raises ValueError where the shapes differ.

    >>> iou([[1, 1, 0]], [[0, 1, 1]])
    0.3333333333333333
    """
    first = numbers(pred, "pred") != 0
    second = shaped(target, "target", first.shape, "that of pred") != 0
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0


def mean_iou(pred: npt.ArrayLike, target: npt.ArrayLike, n_classes: int = 2) -> float:
    """The mean over all classes, background included, of the class's IoU over all pixels together.

    Labels are 0 to n_classes - 1. A class that neither mask has does not count.

    Raises ValueError where the shapes differ or a label is not one of the classes.

    >>> mean_iou([0, 0, 0, 1], [0, 0, 1, 1])  # 2/3 and 1/2
    0.5833333333333333
    """
    n_classes = integer(n_classes, "n_classes", at_least=1)
    first = _labels(pred, "pred", n_classes)
    second = _labels(target, "target", n_classes)
    shaped(second, "target", first.shape, "that of pred")
    present = [c for c in range(n_classes) if (first == c).any() or (second == c).any()]
    return float(np.mean([iou(first == c, second == c) for c in present])) if present else 1.0


def edge_band(mask: npt.ArrayLike, within: int = 1) -> Array:
    """Which pixels have one of another label near: at most `within` pixels down and across.

    (…, H, W) → (…, H, W), bool. The rim of the image is no edge.

    >>> edge_band([[0, 0, 0, 1, 1, 1]]).astype(int)
    array([[0, 0, 1, 1, 0, 0]])
    """
    labels = planes(mask, "mask")
    reach = integer(within, "within", at_least=1)
    height, width = labels.shape[-2:]
    margins = [(0, 0)] * (labels.ndim - 2) + [(reach, reach)] * 2
    wide = np.pad(labels, margins, mode="edge")
    band = np.zeros(labels.shape, bool)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            band |= wide[..., down : down + height, right : right + width] != labels
    return band


def boundary_error(pred: npt.ArrayLike, target: npt.ArrayLike, within: int = 1) -> float:
    """The share of wrong labels among the pixels near an edge of `target` (see `edge_band`).

    0 where `target` has no edge.

    >>> boundary_error([[0, 0, 0, 0, 1, 1]], [[0, 0, 0, 1, 1, 1]])
    0.5
    """
    truth = planes(target, "target")
    labels = shaped(pred, "pred", truth.shape, "that of target")
    band = edge_band(truth, within)
    return float(np.mean(labels[band] != truth[band])) if band.any() else 0.0


def _labels(value: npt.ArrayLike, name: str, n_classes: int) -> Array:
    labels = numbers(value, name)
    unknown = labels[(labels < 0) | (labels >= n_classes) | (labels != np.floor(labels))]
    if unknown.size:
        raise ValueError(
            f"{name} holds the label {unknown.flat[0]}, must hold 0 to {n_classes - 1} only"
        )
    return labels
