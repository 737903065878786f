"""The JavaScript that all explorers share, against its Python twins."""

import itertools

import numpy as np
import pytest

from course_lib import geometry
from course_lib.explorers import SlidingKernel

# n, kernel, stride, padding, dilation: every setting of the sliders and some beyond.
AXES = list(itertools.product(range(1, 12), range(1, 6), range(1, 5), range(5), range(1, 4)))


def fits(axis):
    n, kernel, _, padding, dilation = axis
    return geometry.effective_kernel(kernel, dilation) <= n + 2 * padding


FITTING = [axis for axis in AXES if fits(axis)]


def test_output_size(javascript):
    sizes = javascript(SlidingKernel, [("outputSize", axis) for axis in AXES])
    assert sizes == [geometry.output_size(*axis) if fits(axis) else 0 for axis in AXES]


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("windowStarts", geometry.window_starts),
        ("unusedPixels", lambda *axis: list(geometry.unused_pixels(*axis))),
        ("droppedTail", geometry.dropped_tail),
    ],
)
def test_windows_along_an_axis(javascript, name, twin):
    answers = javascript(SlidingKernel, [(name, axis) for axis in FITTING])
    assert answers == [twin(*axis) for axis in FITTING]


def test_windows_touching_a_pixel(javascript):
    calls = [(i, axis) for axis in FITTING for i in range(axis[0])]
    answers = javascript(SlidingKernel, [("windowsTouching", [i, *axis]) for i, axis in calls])
    for (i, axis), found in zip(calls, answers, strict=True):
        starts = geometry.window_starts(*axis)
        _, kernel, _, _, dilation = axis
        expected = [
            {
                "window": window,
                "tap": list(geometry.window_pixels(start, kernel, dilation)).index(i),
            }
            for window, start in enumerate(starts)
            if i in geometry.window_pixels(start, kernel, dilation)
        ]
        assert found == expected, (i, axis)


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        (
            "formatNumber",
            {3: "3", -2: "−2", 0.5: "0.5", 4 + 1 / 3: "4.33", -0.001: "0", 1e4: "10000"},
        ),
        ("formatWeight", {1 / 9: "1/9", -3 / 16: "−3/16", 0.5: "0.5", 0.04: "0.04", -1: "−1"}),
        ("formatCount", {9: "9", 401408: "401,408", 2472873984: "2,472,873,984"}),
    ],
)
def test_numbers_as_text(javascript, name, cases):
    answers = javascript(SlidingKernel, [(name, [value]) for value in cases])
    assert answers == list(cases.values())


def test_typed_numbers(javascript):
    cases = {
        "2": 2,
        " -0.5 ": -0.5,
        "−1": -1,
        "1/9": 1 / 9,
        ".5": 0.5,
        "3.": 3,
        "": None,
        "x": None,
        "1/0": None,
        "1e3": None,
        "--2": None,
    }
    answers = javascript(SlidingKernel, [("parseNumber", [text]) for text in cases])
    assert answers == list(cases.values())


def test_a_weight_reads_back_as_itself(javascript):
    weights = [float(w) for w in np.random.default_rng(0).integers(-9, 10, 40) / 16]
    texts = javascript(SlidingKernel, [("formatWeight", [w]) for w in weights])
    assert javascript(SlidingKernel, [("parseNumber", [text]) for text in texts]) == weights


def test_lists_in_words(javascript):
    cases = {("a",): "a", ("a", "b"): "a and b", ("a", "b", "c"): "a, b and c", (): ""}
    assert javascript(SlidingKernel, [("listed", [list(c)]) for c in cases]) == list(cases.values())
