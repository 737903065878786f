"""Upsampling: its state, and its JavaScript against the library, torch and brute force."""

import doctest
import itertools

import numpy as np
import pytest
import torch
import traitlets

from course_lib import geometry, ops
from course_lib.explorers import Upsampling, upsampling


def state(**changes):
    return {**Upsampling().state(), "position": [0, 0], **changes}


def states(count=60, seed=0):
    """Random settings that leave an output: strips, rectangles, all strides and paddings."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        rows, columns = (1 if len(found) % 3 == 0 else int(rng.integers(2, 6))), rng.integers(1, 6)
        kernel, stride, padding = (int(rng.integers(low, high)) for low, high in RANGES)
        extra = int(rng.integers(0, stride))
        least = columns if rows == 1 else min(rows, columns)
        if (least - 1) * stride + kernel + extra <= 2 * padding:
            continue
        found.append(
            state(
                image=rng.integers(-3, 10, (rows, columns)).tolist(),
                kernel_size=kernel,
                stride=stride,
                padding=padding,
                output_padding=extra,
                weights=["ones", "tent"][len(found) % 2],
                landed=int(rng.integers(0, rows * columns + 1)),
            )
        )
    return found


RANGES = [(1, 7), (1, 4), (0, 4)]  # kernel, stride, padding: as numpy counts, without the last


def is_strip(given):
    return len(given["image"]) == 1


def tensors(given, weights):
    """x and w as the page names their shapes."""
    x = torch.tensor(given["image"], dtype=torch.float64)[None, None]
    if is_strip(given):
        return x[:, :, 0], torch.tensor(weights, dtype=torch.float64)[None]
    return x, torch.tensor(weights, dtype=torch.float64)[None, None]


def run(lines, x, w):
    """What the page's lines of PyTorch leave in y, (H, W)."""
    names = {"F": torch.nn.functional, "x": x, "w": w}
    exec("\n".join(lines), names)
    return np.atleast_2d(names["y"][0, 0].numpy())


# ---------------------------------------------------------------- the state


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(upsampling)
    assert result.failed == 0
    assert result.attempted > 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": [[0] * 6]}, r"image has shape \(1, 6\), must be at most 5 by 5"),
        ({"image": [1, 2]}, r"image has shape \(2,\), must have 2 dimensions"),
        ({"kernel_size": 7}, r"kernel_size \(=7\) must be at most 6"),
        ({"stride": 0}, r"stride \(=0\) must be at least 1"),
        ({"padding": 4}, r"padding \(=4\) must be at most 3"),
        ({"output_padding": 2}, r"output_padding \(=2\) must be smaller than stride \(=2\)"),
        ({"weights": "random"}, "weights"),
        ({"show": "pixels"}, "show"),
        ({"landed": -1}, r"landed \(=-1\) must be at least 0"),
        ({"position": (11, 0)}, r"position \(=\[11, 0\]\) must lie in the output of 11 × 11"),
    ],
)
def test_impossible_states_are_refused(given, message):
    with pytest.raises(traitlets.TraitError, match=message):
        Upsampling(**given)
    explorer = Upsampling()
    before = explorer.state()
    ((name, value),) = given.items()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert explorer.state() == before


def test_settings_that_leave_no_output_are_refused():
    explorer = Upsampling(image=[[1, 2]], kernel_size=2, padding=1)  # 2 pixels
    with pytest.raises(traitlets.TraitError, match=r"padding \(=2\) must leave .* be 0 pixels"):
        explorer.padding = 2
    with pytest.raises(traitlets.TraitError, match=r"landed \(=3\) must be at most 2"):
        explorer.landed = 3
    assert explorer.output_shape == (1, 2)


def test_stamps_and_position_follow_the_image():
    explorer = Upsampling()
    assert (explorer.landed, explorer.position) == (25, [4, 4])
    explorer.image = [[1, 1, 1]]
    assert (explorer.landed, explorer.position) == (3, [0, 4])  # all stay all
    explorer.landed = 2
    explorer.image = [[1] * 4] * 4
    assert explorer.landed == 2
    explorer.landed = 9
    explorer.image = [[1, 2], [3, 4]]
    assert explorer.landed == 4
    assert Upsampling(image=[[1, 2, 3]], landed=1).landed == 1
    assert Upsampling(image=[[1, 2, 3]]).landed == 3


def test_the_sliders_reach_what_the_state_allows(javascript):
    (ranges,) = javascript(Upsampling, [("RANGES", [])])
    assert ranges.pop("image") == [1, upsampling.MAX_IMAGE]
    for name, (low, high) in ranges.items():
        trait = Upsampling.class_traits()[name]
        assert (trait.low, trait.high) == (low, high)


def test_a_slider_stops_where_a_setting_becomes_impossible(javascript):
    """Every value within the limits is a state, every other value of the range is none."""
    table = states(40, seed=2)
    ranges, *limits = javascript(
        Upsampling, [("RANGES", []), *(("limits", [one]) for one in table)]
    )
    for given, allowed in zip(table, limits, strict=True):
        given = {name: given[name] for name in upsampling._GEOMETRY}
        for name, (low, high) in ranges.items():
            for value in range(low, high + 1):
                if name != "image":
                    patch = {name: value}
                elif len(given["image"]) == 1:
                    patch = {"image": [[1] * value]}
                elif value == 1:
                    continue  # one row is a strip
                else:
                    patch = {"image": [[1] * value] * value}
                possible = allowed[name][0] <= value <= allowed[name][1]
                try:
                    Upsampling(**{**given, **patch})
                except traitlets.TraitError:
                    assert not possible, (given, patch)
                else:
                    assert possible, (given, patch)


# ---------------------------------------------------------------- the arithmetic


def test_outputs_are_those_of_torch_and_of_the_library(javascript):
    table = states()
    names = ("kernelOf", "outputOf", "resizedOf", "torchLines", "outputShape")
    answers = iter(javascript(Upsampling, [(name, [one]) for one in table for name in names]))
    for given in table:
        weights, output, resized, lines, shape = (next(answers) for _ in names)
        explorer = Upsampling(**given)
        assert tuple(shape) == explorer.output_shape
        x, w = tensors(given, weights)
        so_far = (torch.arange(x.numel()) < given["landed"]).reshape(x.shape)
        expected = run(lines["transposed"], x * so_far, w)
        np.testing.assert_allclose(output["values"], expected, atol=1e-12, err_msg=str(given))
        np.testing.assert_allclose(explorer.output, expected, atol=1e-12)
        counts = run(lines["transposed"], so_far.double(), torch.ones_like(w))
        assert output["counts"] == counts.tolist()
        assert explorer.counts.tolist() == counts.tolist()
        expected = run(lines["resized"], x, w)
        np.testing.assert_allclose(resized["values"], expected, atol=1e-12, err_msg=str(given))
        np.testing.assert_allclose(explorer.resized, expected, atol=1e-12)
        assert resized["counts"] == np.full(expected.shape, w.numel()).tolist()


def test_the_canvas_is_the_output_without_padding(javascript):
    """The padding cuts the canvas; the library, asked without padding, gives the canvas whole."""
    table = [one for one in states(40, seed=3) if not is_strip(one)]
    canvases = javascript(Upsampling, [("canvasOf", [{**one, "landed": 25}]) for one in table])
    for given, canvas in zip(table, canvases, strict=True):
        explorer = Upsampling(**{**given, "padding": 0, "output_padding": 0})
        kernel = explorer._kernel()
        whole = ops.conv_transpose2d(
            np.array(given["image"])[None, None], kernel[None, None], stride=given["stride"]
        )[0, 0]
        rows, columns = whole.shape
        values = np.array(canvas["values"])
        np.testing.assert_allclose(values[:rows, :columns], whole, atol=1e-12)
        assert not values[rows:].any()  # what the output padding put behind the stamps
        assert not values[:, columns:].any()


def test_where_an_output_comes_from(javascript):
    """The pixels named for each output are those to which autograd sends something back."""
    table = states(12, seed=4)
    lines = javascript(Upsampling, [("torchLines", [one]) for one in table])
    for given, line in zip(table, lines, strict=True):
        for kind, function in (("transposed", "stampsAt"), ("resized", "resizedTerms")):
            ones = np.ones(np.shape(Upsampling(**given)._kernel()))
            x, w = tensors(given, ones)
            x.requires_grad_()
            names = {"F": torch.nn.functional, "x": x, "w": w}
            exec("\n".join(line[kind]), names)
            y = names["y"][0] if is_strip(given) else names["y"][0, 0]
            places = list(np.ndindex(*y.shape))
            cut = given["padding"] if kind == "transposed" else 0
            down = 0 if is_strip(given) else cut
            found = javascript(
                Upsampling,
                [(function, [given, [int(r) + down, int(c) + cut]]) for r, c in places],
            )
            for at, terms in zip(places, found, strict=True):
                (grad,) = torch.autograd.grad(y[at], x, retain_graph=True)
                grad = grad.reshape(np.shape(given["image"])).numpy()
                expected = {
                    (int(r), int(c)): grad[r, c] for r, c in zip(*np.nonzero(grad), strict=True)
                }
                shown = {tuple(term["pixel"]): term.get("count", 1) for term in terms}
                assert shown == expected


def test_even_inside_where_the_kernel_is_a_multiple_of_the_stride(javascript):
    """On a strip long enough, and against a brute-force count of the stamps."""
    cases = list(itertools.product(range(1, 7), range(1, 4)))
    strips = [state(image=[[1] * 5], kernel_size=k, stride=s, landed=5) for k, s in cases]
    counts = javascript(Upsampling, [("insideCounts", [one]) for one in strips])
    for (k, s), found in zip(cases, counts, strict=True):
        stamped = np.zeros(40 * s + k, dtype=int)
        for start in range(0, 40 * s, s):
            stamped[start : start + k] += 1
        if k - s >= 5 * s:  # five stamps of this length have no inside
            assert found == []
            continue
        assert found == sorted(set(stamped[k : 40 * s].tolist()))
        assert (len(found) == 1) == (k % s == 0)


def test_the_inside_is_where_no_stamp_is_missing(javascript):
    table = states(40, seed=5)
    calls = [
        (one, [len(one["image"][0]), *(one[name] for name in upsampling._GEOMETRY[1:])])
        for one in table
    ]
    insides = javascript(Upsampling, [("insideOf", [axis]) for _, axis in calls])
    for (_, (n, k, s, p, extra)), inside in zip(calls, insides, strict=True):
        size = geometry.transposed_output_size(n, k, s, p, extra)

        def stamps(i, many, k=k, s=s):
            return sum(0 <= i - stamp * s < k for stamp in many)

        # As if stamps went on to the left and to the right for ever.
        full = [
            i
            for i in range(p, p + size)
            if stamps(i, range(n)) == stamps(i, range(-20, 20)) and 0 <= i < n * s
        ]
        assert inside == ([full[0], full[-1]] if full else None)
        assert not full or full == list(range(full[0], full[-1] + 1))


def test_words(javascript):
    strip = state(image=[[1, 2, 3]], landed=3)
    table = [
        ("verdictText", [state()], "Uneven inside: 1, 2 and 4 stamps"),
        ("verdictText", [state(kernel_size=4)], "Even inside: 4 stamps on each pixel"),
        ("verdictText", [state(kernel_size=2)], "Even inside: 1 stamp on each pixel"),
        ("verdictText", [state(kernel_size=2, stride=3)], "Uneven inside: 0 and 1 stamps"),
        (
            "verdictText",
            [state(image=[[1]], kernel_size=6, landed=1)],
            "Too few stamps to have an inside",
        ),
        ("verdictText", [state(landed=24)], "Not all stamps have landed yet"),
        ("overlapText", [state(landed=0)], "Land all stamps to see whether they overlap evenly."),
        (
            "verdictText",
            [state(show="values")],
            "Uneven inside: 1, 2 and 4 stamps, so a flat image comes out as 1 to 4",
        ),
        (
            "verdictText",
            [state(show="values", weights="tent")],
            "Uneven inside: 1, 2 and 4 stamps, but with these weights a flat image stays flat",
        ),
        (
            "verdictText",
            [{**strip, "show": "values"}],
            "Uneven inside: 1 and 2 stamps",
        ),
        ("weightsText", [state(weights="tent")], "along each axis 0.5  1  0.5"),
        ("weightsText", [state()], "all ones"),
        (
            "verdictText",
            [state(show="values", kernel_size=4, image=[[1] * 5], landed=5)],
            "Even inside: 2 stamps on each pixel, so a flat strip stays flat",
        ),
        (
            "resizedVerdict",
            [state(show="values")],
            "Even everywhere: 9 products in each pixel, so a flat image stays flat",
        ),
        ("resizedVerdict", [state()], "Even everywhere: 9 products in each pixel"),
        ("resizedVerdict", [strip], "Even everywhere: 3 products in each pixel"),
        (
            "overlapText",
            [state()],
            "3 is not a multiple of the stride 2: along a row the counts repeat 2, 1. "
            "Down the columns too, and the two multiply: a checkerboard of counts.",
        ),
        (
            "overlapText",
            [{**strip, "kernel_size": 5, "stride": 3}],
            "5 is not a multiple of the stride 3: along a row the counts repeat 2, 2, 1. "
            "The count of every 3rd pixel stands out.",
        ),
        (
            "overlapText",
            [state(kernel_size=4)],
            "4 is 2 times the stride 2: away from the border 2 stamps reach each pixel along a "
            "row, and 4 in all.",
        ),
        (
            "overlapText",
            [state(kernel_size=2)],
            "The kernel is as long as the stride, 2: the stamps lie side by side.",
        ),
        (
            "overlapText",
            [state(kernel_size=2, stride=3)],
            "The kernel, 2, is shorter than the stride, 3: no stamp reaches the pixels between.",
        ),
        ("outputText", [state(), [2, 1]], "2 stamps: from pixels (0, 0) and (1, 0)."),
        ("outputText", [strip, [0, 4]], "2 stamps: from pixels 1 and 2."),
        (
            "outputText",
            [{**strip, "landed": 2}, [0, 4]],
            "1 of 2 stamps so far: from pixels 1 and 2.",
        ),
        ("outputText", [{**strip, "show": "values"}, [0, 4]], "2×1 + 3×1 = 5"),
        (
            "outputText",
            [{**strip, "show": "values", "landed": 1}, [0, 4]],
            "Nothing has landed here yet.",
        ),
        (
            "outputText",
            [state(kernel_size=2, stride=3), [2, 0]],
            "No stamp reaches it: it stays 0.",
        ),
        (
            "resizedText",
            [strip, [0, 1]],
            "Pixel 1 sums 3 products: 2 of pixel 0 and 1 of pixel 1.",
        ),
        (
            "resizedText",
            [{**strip, "show": "values", "weights": "tent"}, [0, 1]],
            "Pixel 1: 1×1.5 + 2×0.5 = 2.5",
        ),
        ("formulaText", [[5, 3, 2, 1, 1]], "(5 − 1)·2 − 2·1 + (3 − 1) + 1 + 1 = 10"),
        ("landedText", [state(landed=1)], "1 of 25 stamps landed"),
    ]
    answers = javascript(Upsampling, [(name, arguments) for name, arguments, _ in table])
    assert answers == [text for *_, text in table]


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (5, 3), (6, 3)])
def test_a_tent_as_long_as_it_should_be_keeps_a_flat_image_flat(kernel, stride):
    """Bilinear weights: uneven overlaps that even weights would show, these make up for."""
    explorer = Upsampling(kernel_size=kernel, stride=stride, weights="tent")
    inside = explorer.output[kernel - stride : 5 * stride, kernel - stride : 5 * stride]
    np.testing.assert_allclose(inside, 1)
