"""Overlap and edges of masks, against counts by sets and by loops."""

import doctest

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from course_lib import masks
from course_lib.masks import boundary_error, edge_band, iou, mean_iou


def test_the_examples_are_true():
    assert doctest.testmod(masks).failed == 0


@pytest.mark.parametrize("seed", range(5))
def test_overlap_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    pred, target = rng.integers(0, 3, (2, 4, 5, 6))
    assert iou(pred > 0, target > 0) == pytest.approx(
        jaccard_score(target.ravel() > 0, pred.ravel() > 0)
    )
    assert mean_iou(pred, target, 3) == pytest.approx(
        jaccard_score(target.ravel(), pred.ravel(), average="macro")
    )


def test_empty_masks_agree():
    assert iou(np.zeros((3, 3)), np.zeros((3, 3))) == 1
    assert iou(np.zeros((3, 3)), np.ones((3, 3))) == 0
    assert mean_iou(np.zeros((3, 3)), np.zeros((3, 3))) == 1


def test_a_class_that_is_nowhere_does_not_count():
    assert mean_iou([0, 0, 2, 2], [0, 0, 2, 0], 5) == pytest.approx((2 / 3 + 1 / 2) / 2)


@pytest.mark.parametrize("within", [1, 2])
def test_the_band_is_what_a_loop_finds(within):
    mask = np.random.default_rng(1).integers(0, 3, (2, 7, 9)) // 2
    band = edge_band(mask, within)
    for n, r, c in np.ndindex(*mask.shape):
        near = mask[n, max(0, r - within) : r + within + 1, max(0, c - within) : c + within + 1]
        assert band[n, r, c] == (near != mask[n, r, c]).any()


def test_mistakes_far_from_edges_do_not_count():
    target = np.zeros((9, 9), int)
    target[:, 6:] = 1
    pred = target.copy()
    pred[:, 0] = 1
    assert boundary_error(pred, target) == 0
    pred[0, 5] = 1
    assert boundary_error(pred, target) == pytest.approx(1 / 18)
    assert boundary_error(pred, np.zeros((9, 9))) == 0


def test_unknown_labels_and_shapes_are_refused():
    with pytest.raises(ValueError, match="target holds the label 7, must hold 0 to 1 only"):
        mean_iou([0, 1], [0, 7])
    with pytest.raises(ValueError, match=r"pred holds the label 0.5"):
        mean_iou([0, 0.5], [0, 1])
    with pytest.raises(ValueError, match=r"target has shape \(3,\), must have shape \(2,\)"):
        iou([0, 1], [0, 1, 1])
    with pytest.raises(ValueError, match="target has shape"):
        mean_iou([0, 1], [[0, 1]])
    with pytest.raises(ValueError, match="pred has shape"):
        boundary_error([[0, 1]], [[0], [1]])
