"""Pooling: its state, and its JavaScript against the library, torch and brute force."""

import doctest

import numpy as np
import pytest
import torch
import traitlets

from course_lib.explorers import Pooling, pooling

NUMBERS = [[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]]


def state(**changes):
    return {**Pooling().state(), **changes}


def states(count=48, seed=0):
    """Random settings of every kind in which a window fits: rectangles, ties, negative numbers."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        height, width = (int(n) for n in rng.integers(2, 9, 2))
        window = int(rng.integers(1, min(height, width, 4) + 1))
        image = rng.integers(-3, 4, (height, width))  # few values: windows have equal winners
        found.append(
            state(
                image=image.tolist() if index % 3 else (image + rng.random(image.shape)).tolist(),
                kind=pooling.KINDS[index % 4],
                kernel_size=window,
                stride=int(rng.integers(1, 5)),
                kernel=rng.integers(-2, 3, (3, 3)).tolist(),
                shift=int(rng.integers(0, width)),
                position=[0, 0],
            )
        )
    return found


def shifted(given):
    image = torch.tensor(given["image"], dtype=torch.float64)[None, None]
    return torch.roll(image, given["shift"], dims=3).requires_grad_()


def torch_output(given, x, call):
    """What the page's line of PyTorch gives."""
    row = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)
    names = {
        "F": torch.nn.functional,
        "x": x,
        "w": torch.tensor(given["kernel"], dtype=torch.float64)[None, None],
        "blur": torch.outer(row, row)[None, None] / 16,
    }
    return eval(call, names)


# ---------------------------------------------------------------- the state


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(pooling)
    assert result.failed == 0
    assert result.attempted > 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": [[1, 2, 3]]}, r"image has shape \(1, 3\), must be at least 2 by 2"),
        ({"image": [[0] * 11] * 3}, r"image has shape \(3, 11\), must be at most 10 by 10"),
        ({"kind": "median"}, "kind"),
        ({"kernel_size": 5}, r"kernel_size \(=5\) must be at most 4"),
        ({"stride": 0}, r"stride \(=0\) must be at least 1"),
        ({"kernel": [[1, 2]]}, r"kernel has shape \(1, 2\), must be 3 by 3"),
        ({"shift": 8}, r"shift \(=8\) must be below the image's width \(=8\)"),
        ({"shift": -1}, r"shift \(=-1\) must be at least 0"),
        ({"position": (4, 0)}, r"position \(=\[4, 0\]\) must lie in the output of 4 × 4"),
    ],
)
def test_impossible_states_are_refused(given, message):
    with pytest.raises(traitlets.TraitError, match=message):
        Pooling(**given)
    explorer = Pooling()
    ((name, value),) = given.items()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert explorer.state() == state()


def test_a_window_larger_than_the_image_is_refused():
    explorer = Pooling(kernel_size=3)
    with pytest.raises(traitlets.TraitError, match=r"image \(=.*kernel_size is 3 .* 2 pixels"):
        explorer.image = [[1, 2], [3, 4]]


def test_shift_and_position_follow_a_smaller_image():
    explorer = Pooling(shift=7, position=(3, 3))
    explorer.image = NUMBERS
    assert (explorer.shift, explorer.position) == (3, [1, 1])
    explorer.stride = 4
    assert explorer.position == [0, 0]


def test_the_sliders_reach_what_the_state_allows(javascript):
    ranges, kinds, images = javascript(Pooling, [("RANGES", []), ("KINDS", []), ("IMAGES", [])])
    for name, (low, high) in ranges.items():
        trait = Pooling.class_traits()[name]
        assert (trait.low, trait.high) == (low, high)
    assert [kind for kind, _ in kinds] == list(pooling.KINDS)
    assert images[0][2] == pooling.ZERO
    for _, _, image in images:
        Pooling(image=image)


# ---------------------------------------------------------------- the arithmetic


def test_output_gradient_and_change(javascript):
    table = states()
    names = ("outputOf", "gradientOf", "changeOf", "torchCall")
    answers = iter(javascript(Pooling, [(name, [one]) for one in table for name in names]))
    for given in table:
        output, gradient, change, call = (next(answers) for _ in names)
        explorer = Pooling(**given)
        x = shifted(given)
        expected = torch_output(given, x, call)
        expected.sum().backward()
        np.testing.assert_allclose(output, expected.detach()[0, 0], atol=1e-12, err_msg=call)
        np.testing.assert_allclose(explorer.output, output, atol=1e-12)
        np.testing.assert_allclose(gradient, x.grad[0, 0], atol=1e-12, err_msg=call)
        np.testing.assert_allclose(explorer.gradient, gradient, atol=1e-12)
        old = torch_output(given, shifted({**given, "shift": 0}), call).detach()
        moved = (expected.detach() - old).abs().mean() / old.abs().mean()
        if change is None:
            assert np.isnan(explorer.change)
            assert not old.any()
        else:
            assert change == pytest.approx(moved.item())
            assert explorer.change == pytest.approx(change)


def test_the_windows_of_a_pixel(javascript):
    """Each window's weights, one window at a time, are what autograd sends back from it."""
    table = states(24, seed=1)
    calls = [(one, [r, c]) for one in table for r, c in np.ndindex(*np.shape(one["image"]))]
    found = javascript(Pooling, [("windowsOf", list(map(_plain, call))) for call in calls])
    lines = javascript(Pooling, [("torchCall", [one]) for one in table])
    for given, line in zip(table, lines, strict=True):
        x = shifted(given)
        output = torch_output(given, x, line)[0, 0]
        expected = {}
        for at in np.ndindex(*output.shape):
            (grad,) = torch.autograd.grad(output[at], x, retain_graph=True)
            for pixel in zip(*np.nonzero(grad[0, 0].numpy()), strict=True):
                expected[(at, *map(int, pixel))] = grad[0, 0][pixel].item()
        shown = {
            (tuple(one["position"]), *pixel): one["weight"]
            for (owner, pixel), windows in zip(calls, found, strict=True)
            if owner is given
            for one in windows
            if one["weight"] != 0
        }
        assert shown == pytest.approx(expected)


def _plain(value):
    return [int(i) for i in value] if isinstance(value, list) else value


def test_the_output_moves_whole_or_not(javascript):
    line = np.zeros((8, 8), dtype=int)
    line[:, 3] = 9
    cases = [
        (state(shift=2), 1),
        (state(shift=4, kind="average"), 2),
        (state(shift=1), None),
        (state(shift=1, image=[[1, 1], [1, 1]]), 0),
        (state(image=line.tolist(), shift=2), 1),
        (state(image=line.tolist(), shift=1), 1),  # from column 3 to 4: the next window wins it
        (state(image=line.tolist(), shift=7), 0),  # from column 3 to 2: the same window
        (state(shift=2, kind="strided"), 1),
        (state(shift=0, kind="blur"), 0),
    ]
    assert javascript(Pooling, [("movedBy", [one]) for one, _ in cases]) == [
        steps for _, steps in cases
    ]


def test_the_nearest_window(javascript):
    cases = [
        (state(), [3, 4], [1, 2]),
        (state(kernel_size=3), [2, 2], [0, 0]),
        (state(kernel_size=3), [2, 3], [0, 1]),
        (state(kernel_size=2, stride=3), [2, 0], None),
        (state(kind="blur"), [0, 0], [0, 0]),
        (state(kind="strided"), [4, 6], [2, 3]),
    ]
    answers = javascript(Pooling, [("nearestWindow", [one, pixel]) for one, pixel, _ in cases])
    assert answers == [window for *_, window in cases]


def test_words(javascript):
    numbers = state(image=NUMBERS)
    flat = state(image=[[5, 5], [5, 5]])
    table = [
        ("arithmeticText", [numbers, [0, 1]], "max(2, 1, 6, 5) = 6"),
        ("arithmeticText", [{**numbers, "kind": "average"}, [0, 0]], "(1 + 3 + 4 + 2) / 4 = 2.5"),
        (
            "arithmeticText",
            [{**flat, "kind": "blur"}, [0, 0]],
            "5×1/16 + 5×1/8 + 5×1/16 + 5×1/8 + 5×0.25 + 5×1/8 + 5×1/16 + 5×1/8 + 5×1/16 = 5",
        ),
        (
            "gradientText",
            [numbers, [1, 0]],
            "All of it goes to the winner, pixel (2, 1). The other 3 get nothing.",
        ),
        (
            "gradientText",
            [flat, [0, 0]],
            "All of it goes to the winner, pixel (0, 0), the first of 4 equal ones. "
            "The other 3 get nothing.",
        ),
        (
            "gradientText",
            [{**numbers, "kind": "average", "kernel_size": 3}, [0, 0]],
            "It is shared evenly: 1/9 to each of the 9 pixels.",
        ),
        ("pixelText", [numbers, [1, 2]], "Pixel (1, 2) = 6 is in 1 window and wins it: it gets 1."),
        (
            "pixelText",
            [{**numbers, "stride": 1}, [1, 2]],
            "Pixel (1, 2) = 6 is in 4 windows and wins 3: it gets 3.",
        ),
        (
            "pixelText",
            [{**numbers, "kind": "average"}, [0, 0]],
            "Pixel (0, 0) = 1 is in 1 window: it gets 0.25.",
        ),
        (
            "shiftText",
            [{**numbers, "shift": 2}],
            "The image moved by 2 pixels, the output by 1 column: the same values in other places "
            "(a change of 22 %).",
        ),
        (
            "shiftText",
            [{**numbers, "shift": 1}],
            "The image moved by 1 pixel, and the output holds other values: a change of 7 %.",
        ),
        (
            "shiftText",
            [{**flat, "shift": 1}],
            "The image moved by 1 pixel, the output is the same.",
        ),
    ]
    answers = javascript(Pooling, [(name, arguments) for name, arguments, _ in table])
    assert answers == [text for *_, text in table]
