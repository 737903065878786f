"""ReceptiveField: its state, and its JavaScript against the library and torch's gradients."""

import doctest

import numpy as np
import pytest
import torch
import traitlets

from course_lib import geometry
from course_lib.explorers import ReceptiveField, receptive_field

DILATED = [[3, 1, d, d] for d in (1, 2, 4, 8)]


def state(**changes):
    return {**ReceptiveField().state(), **changes}


def fitting(given):
    try:
        ReceptiveField(**given)
    except traitlets.TraitError:
        return False
    return True


def states(count=60, seed=0):
    """Random stacks in which every window fits, each with a random unit."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        layers = [
            [int(rng.integers(*span)) for span in ((1, 6), (1, 4), (0, 4), (1, 4))]
            for _ in range(rng.integers(1, 5))
        ]
        given = state(image_size=int(rng.integers(8, 40)), layers=layers, unit=[1, 0])
        if not fitting(given):
            continue
        layer = int(rng.integers(1, len(layers) + 1))
        index = int(rng.integers(ReceptiveField(**given).units[layer]))
        found.append({**given, "unit": [layer, index]})
    return found


def gradient(given):
    """The chosen unit's gradient in a network whose weights are all 1."""
    layer, index = given["unit"]
    x = torch.zeros(1, 1, given["image_size"], dtype=torch.float64, requires_grad=True)
    out = x
    for kernel, stride, padding, dilation in given["layers"][:layer]:
        ones = torch.ones(1, 1, kernel, dtype=torch.float64)
        out = torch.nn.functional.conv1d(out, ones, None, stride, padding, dilation)
    (grad,) = torch.autograd.grad(out[0, 0, index], x)
    return grad[0, 0].long().tolist()


# ---------------------------------------------------------------- the state


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(receptive_field)
    assert result.failed == 0
    assert result.attempted > 3


def test_a_layer_may_leave_out_its_last_numbers():
    explorer = ReceptiveField(layers=[(3,), (3, 2), np.array([3, 1, 1])], unit=(1, 0))
    assert explorer.layers == [[3, 1, 0, 1], [3, 2, 0, 1], [3, 1, 1, 1]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image_size": 7}, r"image_size \(=7\) must be at least 8"),
        ({"layers": []}, r"layers \(=\[\]\) must be a list of 1 to 8 layers"),
        ({"layers": [(3,)] * 9}, r"must be a list of 1 to 8 layers"),
        ({"layers": [(3,), 3]}, r"layers\[1\] \(=3\) must be 1 to 4 numbers"),
        ({"layers": [(3, 1, 0, 1, 1)]}, r"layers\[0\] .* must be 1 to 4 numbers"),
        ({"layers": [(3, 0)]}, r"stride of layers\[0\] \(=0\) must be at least 1"),
        ({"layers": [(3,), (8,)]}, r"kernel of layers\[1\] \(=8\) must be at most 7"),
        ({"layers": [(3, 1.0)]}, r"stride of layers\[0\] \(=1.0\) must be an integer"),
        (
            {"layers": [(3, 4), (7, 4)]},
            r"layers\[1\] \(=\[7, 4, 0, 1\]\) must let a window fit: it spans 7 .* are 6 below",
        ),
        ({"unit": (5, 0)}, r"unit\[0\] \(=5\) must be a layer, 1 to 4"),
        ({"unit": (4, 6)}, r"unit\[1\] \(=6\) must be below .* of layer 4 \(=6\)"),
        ({"unit": (0, 1)}, r"unit\[0\] \(=0\) must be at least 1"),
        ({"unit": 3}, r"unit \(=3\) must be a pair \(layer, index\)"),
        ({"effective": "yes"}, "effective"),
    ],
)
def test_impossible_states_are_refused(given, message):
    with pytest.raises(traitlets.TraitError, match=message):
        ReceptiveField(**given)
    explorer = ReceptiveField()
    ((name, value),) = given.items()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert explorer.state() == state()


def test_the_unit_follows_a_smaller_stack():
    explorer = ReceptiveField(unit=(4, 5))
    explorer.layers = [(3, 2), (3, 2)]
    assert explorer.unit == [2, 4]
    explorer.image_size = 8
    assert explorer.unit == [2, 0]


def test_the_page_offers_what_the_state_allows(javascript):
    ranges, most, stacks = javascript(
        ReceptiveField, [("RANGES", []), ("MAX_LAYERS", []), ("STACKS", [])]
    )
    size = ReceptiveField.class_traits()["image_size"]
    assert ranges.pop("image_size") == [size.low, size.high]
    assert {part: tuple(span) for part, span in ranges.items()} == receptive_field.RANGES
    assert most == receptive_field.MAX_LAYERS
    assert stacks[0][2:] == [ReceptiveField().image_size, ReceptiveField().layers]
    for *_, image_size, layers in stacks:
        assert fitting({"image_size": image_size, "layers": layers, "unit": [1, 0]})


# ---------------------------------------------------------------- the numbers


def test_fields_regions_and_sizes(javascript):
    table = states()
    calls = [
        call
        for one in table
        for call in (
            ("fieldsOf", [one["layers"]]),
            ("regionOf", [one["layers"], one["unit"]]),
            ("unitCounts", [one]),
        )
    ]
    answers = iter(javascript(ReceptiveField, calls))
    for given in table:
        fields, region, counts = (next(answers) for _ in range(3))
        explorer = ReceptiveField(**given)
        layer, index = given["unit"]
        expected = geometry.field_by_layer(given["layers"])
        assert fields == [one._asdict() for one in expected]
        assert explorer.field == expected[layer]
        assert tuple(region) == explorer.region
        seen = geometry.pixels_seen(given["layers"][:layer], index)
        assert tuple(region) == (seen[0], seen[-1])
        assert tuple(counts) == explorer.units


def test_the_effective_field_is_the_gradient_with_equal_weights(javascript):
    table = [state(), state(image_size=48, layers=DILATED, unit=[4, 3]), *states(seed=1)]
    answers = javascript(ReceptiveField, [("pathsOf", [one, one["unit"]]) for one in table])
    for given, paths in zip(table, answers, strict=True):
        assert paths == gradient(given)
        assert ReceptiveField(**given).paths.tolist() == paths


def test_a_plain_stack_counts_paths_like_a_binomial(javascript):
    """Two taps a layer: Pascal's triangle."""
    given = state(layers=[[2, 1, 0, 1]] * 5, unit=[5, 4])
    paths, half = javascript(
        ReceptiveField, [("pathsOf", [given, [5, 4]]), ("halfOf", [[1, 5, 10, 10, 5, 1]])]
    )
    assert paths[4:10] == [1, 5, 10, 10, 5, 1]
    assert sum(paths) == 2**5
    assert half == 2  # 20 of 32


def test_which_stacks_fit(javascript):
    rng = np.random.default_rng(2)
    table = [
        state(
            image_size=int(rng.integers(8, 20)),
            layers=[[int(rng.integers(1, 8)), int(rng.integers(1, 5)), 0, 1] for _ in range(3)],
            unit=[1, 0],
        )
        for _ in range(60)
    ]
    answers = javascript(ReceptiveField, [("fits", [one]) for one in table])
    assert answers == [fitting(one) for one in table]
    assert set(answers) == {True, False}
    least = javascript(ReceptiveField, [("leastImage", [one]) for one in table[:10]])
    for given, n in zip(table[:10], least, strict=True):
        assert [k for k in range(8, 65) if fitting({**given, "image_size": k})][:1] == [
            k for k in [n] if k is not None
        ]


def test_words(javascript):
    edge = state(image_size=48, layers=DILATED, unit=[4, 3])
    holes = state(layers=[[3, 1, 2, 2]] * 3, unit=[3, 10])
    table = [
        (
            "unitText",
            [state(), [4, 3]],
            "Unit 3 of layer 4 sees 13 pixels, 6 to 18 (from −6 + 3·4 on).",
        ),
        (
            "unitText",
            [edge, [4, 3]],
            "Unit 3 of layer 4 sees 31 pixels, −12 to 18 (from −15 + 3·1 on); "
            "12 of them lie beyond the border.",
        ),
        (
            "unitText",
            [state(layers=[[1, 1, 0, 1]]), [1, 2]],
            "Unit 2 of layer 1 sees 1 pixel, 2 (from 0 + 2·1 on).",
        ),
        (
            "effectiveText",
            [state(), [1, 3]],
            "3 paths from 3 pixels to this unit; half of them start at 2 of the pixels.",
        ),
        (
            "effectiveText",
            [state(layers=[[1, 1, 1, 1]]), [1, 0]],
            "No path leads from a pixel to this unit: it sees padding alone.",
        ),
        ("pixelText", [state(), [2, 3], 6], "Pixel 6: 3 of the 9 paths, 33.3 %."),
        (
            "pixelText",
            [holes, [3, 10], 9],
            "Pixel 9 lies inside the field, but no path leads from it: the taps step over it.",
        ),
        (
            "pixelText",
            [holes, [3, 10], 0],
            "Pixel 0 lies outside the field: nothing it holds reaches this unit.",
        ),
    ]
    answers = javascript(ReceptiveField, [(name, arguments) for name, arguments, _ in table])
    assert answers == [text for *_, text in table]
    assert javascript(ReceptiveField, [("stepsOf", [DILATED, 3])]) == [
        {"size": "7 + (3 − 1)·4·1 = 15", "jump": "1·1 = 1", "start": "−3 − 4·1 = −7"}
    ]
