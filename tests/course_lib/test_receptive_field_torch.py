"""The field of torch modules by tracing, against NaN; effective fields against closed forms."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from course_lib import known_fields, nets, receptive_field_torch
from course_lib.geometry import output_size, receptive_field
from course_lib.layer_tables import BACKBONES
from course_lib.receptive_field_torch import (
    effective_receptive_field,
    field_width,
    random_stack,
    receptive_field_of,
)


class Residual(nn.Module):
    """A small block with a skip, as chapter 07 will build them."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, stride, dilation, dilation, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.skip = nn.Conv2d(c_in, c_out, 1, stride) if stride > 1 or c_in != c_out else None
        self.relu = nn.ReLU()

    def forward(self, x):
        out = self.body(x)
        out += x if self.skip is None else self.skip(x)
        return self.relu(out)


class Concatenated(nn.Module):
    """Three branches of one size: square, wide, and the input itself."""

    def __init__(self) -> None:
        super().__init__()
        self.square = nn.Conv2d(1, 2, 3, padding=1)
        self.wide = nn.Conv2d(1, 2, (1, 5), padding=(0, 2))

    def forward(self, x):
        return torch.relu(torch.cat([self.square(x), self.wide(x), x], dim=1))


def by_nan(net: nn.Module, shape: tuple[int, int, int], unit: tuple[int, int]) -> list[list[int]]:
    """The rows and the columns whose NaN reaches a unit: NaN passes every layer."""
    net.eval()
    reached: list[list[int]] = [[], []]
    with torch.no_grad():
        for axis in (0, 1):
            for place in range(shape[1 + axis]):
                x = torch.zeros(1, *shape)
                x.select(2 + axis, place).fill_(torch.nan)
                if net(x)[0, :, unit[0], unit[1]].isnan().any():
                    reached[axis].append(place)
    return reached


NETS = {
    "one layer": (nn.Conv2d(1, 2, (3, 5), (1, 2), (1, 0)), (1, 12, 14)),
    "conv and pool": (
        nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 1, 3)
        ),
        (1, 16, 18),
    ),
    "pool with padding": (
        nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2, 1), nn.Conv2d(1, 1, 2, dilation=3)),
        (1, 22, 24),
    ),
    "residual": (nn.Sequential(Residual(1, 2), Residual(2, 2, 2), Residual(2, 2)), (1, 24, 22)),
    "dilated residual": (nn.Sequential(Residual(1, 1, 2), Residual(1, 1, 1, 3)), (1, 30, 28)),
    "same": (nn.Sequential(nn.Conv2d(1, 1, 4, padding="same"), nn.Conv2d(1, 1, 3)), (1, 12, 14)),
    "branches": (Concatenated(), (1, 12, 14)),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_tracing_agrees_with_nan(name):
    net, shape = NETS[name]
    unit = (3, 3)
    reached = by_nan(net, shape, unit)
    for axis, field in enumerate(receptive_field_of(net)):
        first = field.start + unit[axis] * field.jump
        inside = range(max(first, 0), min(first + field.size, shape[1 + axis]))
        assert (reached[axis][0], reached[axis][-1]) == (inside[0], inside[-1])


@pytest.mark.parametrize("name", BACKBONES)
def test_a_torch_stack_has_the_field_of_its_table(name):
    layers = BACKBONES[name].layers
    net = nn.Sequential(
        *(
            nn.Conv2d(1, 1, k, s, p, d) if k % 2 else nn.MaxPool2d(k, s, p, d)
            for k, s, p, d in layers
        )
    )
    height, width = receptive_field_of(net)
    assert height == width == receptive_field(layers)


def resnet50(stride_in_3x3: bool) -> nn.Sequential:
    """Stem and bottlenecks, with two channels instead of thousands."""

    class Bottleneck(nn.Module):
        def __init__(self, stride: int) -> None:
            super().__init__()
            first, second = (1, stride) if stride_in_3x3 else (stride, 1)
            self.body = nn.Sequential(
                nn.Conv2d(2, 2, 1, first),
                nn.BatchNorm2d(2),
                nn.ReLU(),
                nn.Conv2d(2, 2, 3, second, 1),
                nn.ReLU(),
                nn.Conv2d(2, 2, 1),
            )
            self.skip = nn.Conv2d(2, 2, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x):
            return torch.relu(self.body(x) + self.skip(x))

    blocks = [
        Bottleneck(2 if stage and not block else 1)
        for stage, n in enumerate((3, 4, 6, 3))
        for block in range(n)
    ]
    return nn.Sequential(nn.Conv2d(3, 2, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *blocks)


@pytest.mark.parametrize(("in_3x3", "size"), [(False, 483), (True, 427)])
def test_resnet_50_with_its_skips(in_3x3, size):
    height, width = receptive_field_of(resnet50(in_3x3))
    assert (height.size, height.jump) == (width.size, width.jump) == (size, 32)


@pytest.mark.parametrize(
    ("name", "size"), [("alexnet", 195), ("vgg16", 212), ("vgg19", 268), ("resnet50", 427)]
)
def test_the_networks_of_the_course_have_their_published_fields(name, size):
    net = nets.create(name)
    head = ("avgpool", "flatten", "dropout", "classifier", "fc")
    body = [part for child, part in net.named_children() if child not in head]
    height, width = receptive_field_of(nn.Sequential(*body))
    assert (height.size, height.jump) == (width.size, width.jump) == (size, 32)


@pytest.mark.parametrize(
    "net", [nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1)), nn.Sequential(nn.Flatten())]
)
def test_a_layer_without_a_window_is_named(net):
    with pytest.raises(ValueError, match="must be one whose window is known"):
        receptive_field_of(net)


def test_branches_of_different_strides_cannot_meet():
    class Crooked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fast, self.slow = nn.Conv2d(1, 1, 2, 2), nn.Conv2d(1, 1, 2, 1)

        def forward(self, x):
            return self.fast(x) + self.slow(x)

    with pytest.raises(ValueError, match="must have one jump"):
        receptive_field_of(Crooked())


# ── effective fields ────────────────────────────────────────────────────────────────────────────


def test_a_linear_stacks_field_is_its_kernels_convolved():
    from scipy import signal

    net = known_fields.linear_net((1, 1, 1, 1), (3, (1, 5), 2), signed=True, seed=3)
    whole = np.ones((1, 1))
    for layer in net:
        whole = signal.convolve2d(whole, layer.weight.detach().numpy()[0, 0].astype(float))
    field = effective_receptive_field(net, (1, *whole.shape))
    np.testing.assert_allclose(field, np.abs(whole) / np.abs(whole).max(), rtol=1e-4, atol=1e-6)


def test_a_field_is_zero_outside_the_theoretical_one():
    layers = [(3, 2, 1, 1), (3, 1, 1, 1)]
    net = nn.Sequential(*(nn.Conv2d(2, 2, *layer) for layer in layers))
    field = effective_receptive_field(net, (2, 21, 25))
    out = [n for n in (21, 25)]
    for axis in (0, 1):
        for layer in layers:
            out[axis] = output_size(out[axis], *layer)
        size, jump, start = receptive_field(layers)
        first = start + out[axis] // 2 * jump
        outside = np.ones(field.shape[axis], bool)
        outside[first : first + size] = False
        assert np.compress(outside, field, axis=axis).max() == 0
        assert np.compress(~outside, field, axis=axis).max() == 1


def test_a_relu_net_is_averaged_over_inputs():
    net = random_stack(3, channels=2, seed=4)
    one, many = (effective_receptive_field(net, (1, 9, 9), n_inputs=n) for n in (1, 64))
    assert one.min() >= 0
    assert one.max() == many.max() == 1
    assert (one == 0).sum() > (many == 0).sum()  # one input shuts whole paths off


@pytest.mark.parametrize("n_layers", [5, 20])
def test_width_of_equal_weights_is_that_of_a_sum_of_steps(n_layers):
    net = random_stack(n_layers, channels=1, relu=False)
    for layer in net:
        nn.init.constant_(layer.weight, 1 / 9)
    side = 2 * n_layers + 1
    width = field_width(effective_receptive_field(net, (1, side, side), n_inputs=1))
    assert width == pytest.approx(4 * np.sqrt(2 * n_layers / 3), rel=1e-4)


def test_width_counts_each_axis_alike():
    flat = np.zeros((5, 9))
    flat[2] = 1
    assert field_width(flat) == pytest.approx(4 * np.sqrt((9**2 - 1) / 12 / 2))
    assert field_width(flat.T) == field_width(flat)
    assert field_width([[0, 3, 0]]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: effective_receptive_field(nn.Identity(), (5, 5)), "input_shape"),
        (lambda: effective_receptive_field(nn.Identity(), (1, 0, 5)), r"input_shape\[1\] \(=0\)"),
        (lambda: effective_receptive_field(nn.Flatten(), (1, 5, 5)), "must be"),
        (lambda: effective_receptive_field(lambda x: 0 * x, (1, 5, 5)), "every gradient is 0"),
        (lambda: field_width(np.zeros((3, 3))), "not only zeros"),
        (lambda: field_width(-np.ones((3, 3))), "values of 0 or above"),
        (lambda: random_stack(0), r"n_layers \(=0\)"),
    ],
)
def test_what_makes_no_field_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_examples_are_true():
    assert doctest.testmod(receptive_field_torch).failed == 0


def test_importing_loads_no_torch():
    code = "import course_lib.receptive_field_torch, course_lib.known_fields, sys; "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
