"""The exercises of the start page: one function and a quiz of two questions, to try things on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    Question,
    QuestionExercise,
    choices,
)


def _brightest(image: Any) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.argmax(image)), image.shape)
    return int(row), int(column)


def _by_loops(image: Any) -> tuple[int, int]:
    best = (0, 0)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            if image[row, column] > image[best]:
                best = (row, column)
    return best


def _by_where(image: Any) -> tuple[Any, Any]:
    rows, columns = np.where(image == image.max())
    return rows[0], columns[0]


def _last(image: Any) -> tuple[int, int]:
    rows, columns = np.where(image == image.max())
    return int(rows[-1]), int(columns[-1])


def _column_first(image: Any) -> tuple[int, int]:
    row, column = _brightest(image)
    return column, row


def _one_based(image: Any) -> tuple[int, int]:
    row, column = _brightest(image)
    return row + 1, column + 1


def _down_the_columns(image: Any) -> tuple[int, int]:
    column, row = np.unravel_index(int(np.argmax(image.T)), image.T.shape)
    return int(row), int(column)


def _only_zero_and_above(image: Any) -> tuple[int, int]:
    best, place = 0.0, (0, 0)
    for row, column in np.ndindex(*image.shape):
        if image[row, column] > best:
            best, place = image[row, column], (row, column)
    return place


def _square_only(image: Any) -> tuple[int, int]:
    flat = int(np.argmax(image))
    return flat // image.shape[0], flat % image.shape[0]


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    for height, width in ((2, 2), (3, 3), (4, 4)):
        image = rng.permutation(height * width).reshape(height, width)
        # In the last row but not on the diagonal: no two mistakes meet here.
        image[height - 1, 0] = 99
        yield Case("one maximum", (image,))
    for height, width in ((1, 4), (2, 3), (5, 3)):
        image = rng.permutation(height * width).reshape(height, width).astype(float)
        image[height - 1, width - 2] = 99.5
        yield Case("rectangles", (image,))
        yield Case("rectangles", (-image - 100.0,), note="all values negative")
    for _ in range(4):
        height, width = (int(n) for n in rng.integers(3, 6, 2))
        image = rng.integers(0, 5, (height, width))
        # The first in reading order, the first column by column, the last: three places.
        image[0, 1] = image[1, 0] = image[height - 1, 2] = 9
        yield Case("ties", (image,))


BRIGHTEST = FunctionExercise(
    name="brightest",
    chapter="00",
    signature="brightest(image) -> (row, column)",
    aspects=(
        Aspect("one maximum", 1),
        Aspect("rectangles", 1),
        Aspect("ties", 1, needs=("one maximum",)),
    ),
    reference=_brightest,
    worked=(Case("one maximum", (np.array([[1, 7], [3, 2]]),)),),
    cases=_cases,
    alternatives={"loops": _by_loops, "where": _by_where},
    misconceptions=(
        Misconception(
            "column_first",
            "This is the place as (column, row): in this course the row comes first.",
            _column_first,
        ),
        Misconception(
            "flat_index",
            "This is the place in the flattened image: turn one number into a row and a column.",
            lambda image: int(np.argmax(image)),
        ),
        Misconception(
            "one_based", "You count from one; rows and columns start at zero.", _one_based
        ),
        Misconception(
            "last_of_equals",
            "Of equal maxima you return the last; the first one in reading order is asked for.",
            _last,
        ),
        Misconception(
            "down_the_columns",
            "You search column by column; reading order goes row by row.",
            _down_the_columns,
        ),
        Misconception(
            "starts_at_zero",
            "Your search starts from the value 0, which is too high where every pixel is negative.",
            _only_zero_and_above,
        ),
        Misconception(
            "height_for_width",
            "A row of the flattened image is as long as the image is wide, not as it is high.",
            _square_only,
        ),
    ),
    hints=(
        "`image.argmax()` gives the place of the maximum in the flattened image: one number.",
        "`np.unravel_index(place, image.shape)` turns that number into a row and a column.",
    ),
)


def _ask_pixels(rng: np.random.Generator) -> Asked:
    height, width = (int(n) for n in rng.permutation(np.arange(20, 60))[:2])
    return Asked(
        f"A colour image (red, green, blue) is {height} rows high and {width} columns wide. How "
        "many numbers does it hold?",
        3 * height * width,
        f"3 channels × {height} rows × {width} columns = {3 * height * width}",
        wrong={
            "one_channel": (height * width, "You count one channel; there are three."),
            "added": (3 * (height + width), "Rows and columns multiply."),
        },
    )


def _ask_shape(rng: np.random.Generator) -> Asked:
    height, width = (int(n) for n in rng.permutation(np.arange(20, 60))[:2])
    n = int(rng.integers(4, 16))
    options, right, wrong = choices(
        rng,
        f"({n}, 3, {height}, {width})",
        {
            "channels_last": (
                f"({n}, {height}, {width}, 3)",
                "Matplotlib keeps the channels last; in this course, as in PyTorch, they come"
                " after the batch.",
            ),
            "width_first": (f"({n}, 3, {width}, {height})", "Height comes before width."),
            "no_batch": (f"(3, {height}, {width})", "The batch axis is missing."),
        },
    )
    return Asked(
        f"A batch holds {n} other colour images, each {height} rows high and {width} columns wide. "
        "What is its shape, in the order NCHW?",
        right,
        f"N = {n} images, C = 3 channels, H = {height} rows, W = {width} columns",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_00",
    chapter="00",
    questions=(Question("numbers", _ask_pixels), Question("shape", _ask_shape)),
    hints=("NCHW: batch, channels, height, width.",),
)

EXERCISES = (BRIGHTEST, QUIZ)
