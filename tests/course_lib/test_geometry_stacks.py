"""What a stack of layers sees: the recursion against perturbed pixels and against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import geometry
from course_lib.geometry import Layer

LAYERS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3)),
    max_size=3,
)


def run_rows(rows: np.ndarray, layers: list[tuple[int, int, int, int]]) -> np.ndarray:
    """The stack on rows of pixels (rows, pixels), every weight 1, window by window."""
    for kernel, stride, padding, dilation in layers:
        padded = np.pad(rows, ((0, 0), (padding, padding)))
        span = dilation * (kernel - 1) + 1
        starts = range(0, padded.shape[1] - span + 1, stride)
        rows = np.stack([padded[:, s : s + span : dilation].sum(axis=1) for s in starts], axis=1)
    return rows


@settings(max_examples=60, deadline=None)
@given(LAYERS, st.integers(9, 11))
def test_a_unit_answers_to_exactly_the_pixels_it_is_said_to_see(layers, index):
    # From unit 9 on three layers of padding 3 are left behind; 30 pixels more do so on the right.
    n = geometry.input_region(layers, index)[1] + 30
    moved = run_rows(np.eye(n), layers)  # row p: what pixel p alone does to every unit
    assert tuple(np.flatnonzero(moved[:, index])) == geometry.pixels_seen(layers, index)


@settings(max_examples=100, deadline=None)
@given(LAYERS, st.integers(0, 50))
def test_the_region_runs_from_the_first_to_the_last_pixel_seen(layers, index):
    seen = geometry.pixels_seen(layers, index)
    assert geometry.input_region(layers, index) == (seen[0], seen[-1])


@settings(max_examples=100, deadline=None)
@given(LAYERS)
def test_size_jump_and_start_are_those_of_the_regions(layers):
    size, jump, start = geometry.receptive_field(layers)
    first, second = geometry.input_region(layers, 0), geometry.input_region(layers, 1)
    assert start == first[0]
    assert size == first[1] - first[0] + 1 == second[1] - second[0] + 1
    assert jump == second[0] - first[0]


@pytest.mark.parametrize(
    "layers",
    [
        [(3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1)],
        [(7, 2, 3, 1), (3, 2, 1, 1), (3, 1, 2, 2)],
        [(5, 3, 0, 1), (2, 1, 1, 3)],
    ],
)
def test_torchs_gradient_reaches_the_region_and_no_further(layers):
    net = torch.nn.Sequential(
        *(torch.nn.Conv1d(1, 1, k, s, p, d, bias=False) for k, s, p, d in layers)
    )
    for part in net:
        torch.nn.init.ones_(part.weight)
    row = torch.zeros(1, 1, 60, requires_grad=True)
    index = 4
    (gradient,) = torch.autograd.grad(net(row)[0, 0, index], row)
    reached = torch.nonzero(gradient[0, 0]).ravel().tolist()
    first, last = geometry.input_region(layers, index)
    assert reached == [p for p in geometry.pixels_seen(layers, index) if 0 <= p < 60]
    assert (reached[0], reached[-1]) == (max(first, 0), last)


def test_the_examples_of_the_chapter():
    layers = [(3, 1, 0, 1), (3, 2, 0, 1), (3, 1, 0, 1), (3, 2, 0, 1)]
    fields = geometry.field_by_layer(layers)
    assert [field.size for field in fields] == [1, 3, 5, 9, 13]
    assert [field.jump for field in fields] == [1, 1, 2, 2, 4]
    assert [geometry.rf_of_stack(n) for n in (5, 10, 30, 50)] == [11, 21, 61, 101]
    assert geometry.layers_to_see(224) == 112
    assert geometry.dilated_rf([1, 2, 4, 8]) == 31
    assert geometry.rf_of_stack(2) == geometry.rf_of_stack(1, kernel=5)
    assert geometry.rf_of_stack(3) == geometry.rf_of_stack(1, kernel=7)


@given(st.integers(1, 400), st.integers(2, 11))
def test_layers_to_see_is_the_smallest_stack_that_does(size, kernel):
    n = geometry.layers_to_see(size, kernel)
    assert geometry.rf_of_stack(n, kernel) >= size
    assert n == 0 or geometry.rf_of_stack(n - 1, kernel) < size


@given(st.lists(st.integers(1, 9), max_size=5), st.integers(1, 7))
def test_dilated_rf_is_the_field_of_the_layers(dilations, kernel):
    layers = [Layer(kernel, dilation=d) for d in dilations]
    assert geometry.dilated_rf(dilations, kernel) == len(
        range(geometry.input_region(layers, 0)[0], geometry.input_region(layers, 0)[1] + 1)
    )


def test_layers_may_come_in_any_form():
    whole = geometry.receptive_field([(3, 2, 1, 1), (3, 1, 0, 1)])
    assert geometry.receptive_field(np.array([[3, 2, 1, 1], [3, 1, 0, 1]])) == whole
    assert geometry.receptive_field([Layer(3, 2, 1), [3]]) == whole
    assert geometry.receptive_field(iter([(np.int64(3), 2, 1), (3,)])) == whole
    assert all(type(number) is int for number in whole)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: geometry.receptive_field([(3, 0)]), ValueError, r"layers\[0\].stride \(=0\)"),
        (lambda: geometry.receptive_field([(3,), (0,)]), ValueError, r"layers\[1\].kernel \(=0\)"),
        (lambda: geometry.receptive_field([(3, 1, -1)]), ValueError, r"layers\[0\].padding"),
        (lambda: geometry.receptive_field([(3, 1, 0, 0)]), ValueError, r"layers\[0\].dilation"),
        (lambda: geometry.receptive_field([(3.0,)]), TypeError, r"layers\[0\].kernel \(=3.0\)"),
        (lambda: geometry.receptive_field([()]), ValueError, "1 to 4 numbers"),
        (lambda: geometry.receptive_field([(1, 1, 1, 1, 1)]), ValueError, "1 to 4 numbers"),
        (lambda: geometry.receptive_field([3]), TypeError, r"layers\[0\] \(=3\) must be a tuple"),
        (lambda: geometry.input_region([(3,)], -1), ValueError, r"index \(=-1\)"),
        (lambda: geometry.rf_of_stack(-1), ValueError, r"n_layers \(=-1\)"),
        (lambda: geometry.rf_of_stack(3, 0), ValueError, r"kernel \(=0\)"),
        (lambda: geometry.layers_to_see(0), ValueError, r"size \(=0\)"),
        (lambda: geometry.layers_to_see(5, 1), ValueError, r"kernel \(=1\) must be at least 2"),
        (lambda: geometry.dilated_rf([1, 0]), ValueError, r"layers\[1\].dilation \(=0\)"),
    ],
)
def test_what_is_no_layer_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
