"""Tables of cost: from arguments against torch's measurement, and against published numbers."""

import doctest
import re

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib import cost_table
from course_lib.cost_table import CostTable, LayerCost, of_layers, of_module

VGG16 = (64, 64, "pool", 128, 128, "pool", *(256,) * 3, "pool", *(512,) * 3, "pool", *(512,) * 3)

SMALL = [
    ("conv", 3, 16, 5, 2, 1),
    ("relu",),
    ("pool", 2, 2),
    ("conv", 16, 8, 3, 1, 0),
    ("flatten",),
    ("linear", 8 * 5 * 6, 10),
]
SMALL_NET = (
    nn.Conv2d(3, 16, 5, 2, 1),
    nn.ReLU(),
    nn.MaxPool2d(2, 2),
    nn.Conv2d(16, 8, 3),
    nn.Flatten(),
    nn.Linear(8 * 5 * 6, 10),
)


def vgg16() -> list[tuple[object, ...]]:
    layers: list[tuple[object, ...]] = []
    c = 3
    for width in (*VGG16, "pool"):
        if width == "pool":
            layers.append(("pool", 2, 2))
        else:
            layers += [("conv", c, width, 3, 1, 1), ("relu",)]
            c = width
    layers += [("flatten",), ("linear", 512 * 7 * 7, 4096), ("relu",)]
    return [*layers, ("linear", 4096, 4096), ("relu",), ("linear", 4096, 1000)]


def test_vgg16_has_its_published_parameters_and_work():
    table = of_layers((1, 3, 224, 224), vgg16())
    assert table.params == 138_357_544
    assert round(table.macs / 1e9, 2) == 15.47
    assert table.rows[-1].output_shape == (1, 1000)


@pytest.mark.parametrize("n", [1, 4])
def test_arguments_and_measurement_agree_row_by_row(n):
    computed = of_layers((n, 3, 31, 35), SMALL)
    measured = of_module(nn.Sequential(*SMALL_NET), (n, 3, 31, 35))
    for ours, theirs in zip(computed.rows, measured.rows, strict=True):
        assert (ours.output_shape, ours.params, ours.macs) == (
            theirs.output_shape,
            theirs.params,
            theirs.macs,
        )
    assert computed.activations == measured.activations


def test_activations_are_the_numbers_of_all_outputs():
    outputs, x = [], torch.zeros(2, 3, 31, 35)
    for layer in SMALL_NET:
        x = layer(x)
        outputs.append(x)
    table = of_layers((2, 3, 31, 35), SMALL)
    assert table.activations == sum(out.numel() for out in outputs)
    assert table.activation_bytes == sum(out.numel() * out.element_size() for out in outputs)


class Bare(nn.Module):
    """A product and a parameter that belong to no layer, and a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.mix = nn.Parameter(torch.zeros(6, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(x)) @ self.mix


def test_work_between_the_layers_is_counted_and_a_layer_used_twice_works_twice():
    table = of_module(Bare(), (3, 6))
    layer, rest = table.rows
    assert (layer.name, layer.params, layer.macs) == ("layer Linear", 42, 2 * 3 * 36)
    assert (rest.name, rest.params, rest.macs) == ("between the layers", 30, 3 * 30)
    assert table.params == sum(p.numel() for p in Bare().parameters())


class Mixed(nn.Module):
    """Attention as a module and as a call, inside a block with a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.qkv = nn.Linear(16, 48)
        self.scale = nn.Parameter(torch.ones(16))
        self.unused = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(x, x, x, need_weights=False)[0]
        q, k, v = self.qkv(x).chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(q, k, v) * self.scale


def test_what_a_module_does_itself_has_a_row_with_its_name():
    net = nn.Sequential(Mixed(), nn.Linear(16, 2))
    table = of_module(net, (2, 5, 16))
    rows = {row.name: row for row in table.rows}
    attending = 2 * (2 * 5 * 5 * 16)  # queries times keys, weights times values
    assert list(rows) == ["0.attention MultiheadAttention", "0.qkv Linear",
                          "0 Mixed, between its layers", "1 Linear"]  # fmt: skip
    attention, _, own, _ = table.rows
    assert (attention.output_shape, attention.params) == ((2, 5, 16), 4 * 16 * 17)
    assert attention.macs == 2 * 5 * 16 * 64 + attending
    assert (own.output_shape, own.params, own.macs) == ((), 16 + 3 * 4 + 4, attending)
    assert table.params == sum(p.numel() for p in net.parameters())
    # By hand: torch's counter, asked on the CPU itself, leaves out its fast kernel of attention.
    assert table.macs == 2 * 5 * 16 * (64 + 48 + 2) + 2 * attending


@pytest.mark.parametrize("module", [
    nn.TransformerEncoderLayer(16, 4, 32, batch_first=True),
    nn.Sequential(nn.ConvTranspose2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(2)),
    nn.Sequential(nn.Conv1d(3, 8, 3), nn.GroupNorm(2, 8), nn.GELU()),
])  # fmt: skip
def test_nothing_is_lost_or_counted_twice(module):
    shape = {3: (2, 3, 9)}.get(next(module.parameters()).ndim, (2, 3, 8, 8))
    shape = (2, 5, 16) if isinstance(module, nn.TransformerEncoderLayer) else shape
    table = of_module(module, shape)
    assert table.params == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        module.train()(torch.zeros(shape))
    assert table.flops == counter.get_total_flops()


def test_a_module_of_another_precision_or_with_several_results_is_measured():
    assert of_module(nn.Linear(4, 4).half(), (2, 4)).macs == 2 * 16
    (row,) = of_module(nn.LSTM(4, 5), (2, 5, 4)).rows
    assert row.output_shape == (2, 5, 5)


def test_any_operator_is_a_layer():
    layers = [
        ("conv2d", dict(c_out=8, kernel_size=3, stride=2, padding=1, bias=False)),
        ("batch_norm2d", {}),
        ("silu", {}),
        ("depthwise_conv2d", dict(kernel_size=3, dilation=2)),
        ("conv_transpose2d", dict(c_out=4, kernel_size=4, stride=2, padding=1)),
        ("global_avg_pool2d", {}),
        ("linear", dict(n_out=3)),
    ]
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.Conv2d(8, 8, 3, dilation=2, groups=8),
        nn.ConvTranspose2d(8, 4, 4, 2, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3)),
    )
    computed, measured = of_layers((2, 3, 17, 20), layers), of_module(net, (2, 3, 17, 20))
    assert (computed.params, computed.macs) == (measured.params, measured.macs)
    assert computed.rows[-1].output_shape == measured.rows[-1].output_shape
    assert [row.macs for row in computed.rows if row.macs] == [
        row.macs for row in measured.rows if row.macs
    ]


def test_the_examples_are_true():
    assert doctest.testmod(cost_table).failed == 0


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (553_430_176, "553.4 MB"),
     (3_457_937_568, "3.5 GB")],
)  # fmt: skip
def test_memory_is_told_in_a_unit_that_suits_it(n_bytes, text):
    table = CostTable((LayerCost("it", (1, n_bytes), 0, 0),))
    assert cost_table._in_words(n_bytes) == text
    assert table.rows[0].activation_bytes == table.activation_bytes == 4 * n_bytes


def test_shared_parameters_count_once():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    assert of_module(nn.Sequential(first, second), (1, 4)).params == 16 + 4 + 4


def test_the_module_is_left_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = [p.clone() for p in module.state_dict().values()]
    table = of_module(module, (1, 3, 8, 8))
    assert [row.name for row in table.rows] == ["0 Conv2d", "1 BatchNorm2d"]
    assert module.training
    assert all(torch.equal(a, b) for a, b in zip(before, module.state_dict().values(), strict=True))
    assert not any(child._forward_hooks for child in module.modules())


def test_the_printed_table_lines_up_and_holds_every_number():
    text = str(of_layers((1, 3, 32, 32), [("conv", 3, 16, 3, 1, 1), ("flatten",)]))
    head, rule, conv, flatten, total, memory = text.splitlines()
    assert head.split() == ["layer", "output", "parameters", "MACs", "FLOPs", "activations"]
    assert set(rule) == {"-"}
    assert conv.split() == ["0", "conv", "1×16×32×32", "448", "442,368", "884,736", "16,384"]
    assert flatten.split() == ["1", "flatten", "1×16384", "0", "0", "0", "16,384"]
    assert total.split() == ["in", "all", "448", "442,368", "884,736", "32,768"]
    assert len({len(line) for line in (head, rule, conv, flatten, total)}) == 1
    assert memory == "In float32 the parameters take 1.8 kB, the activations 131.1 kB."


def test_the_notebooks_table_holds_the_same_cells_and_escapes_names():
    table = CostTable((LayerCost("<b>", (1, 2), 3, 4),))
    html = table._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert re.findall(r">([\d,×]+)</td>", html) == ["1×2", "3", "4", "8", "2"]
    assert "the parameters take 12 bytes, the activations 8 bytes." in html


def test_importing_it_loads_no_torch():
    import subprocess
    import sys

    code = "import sys; import course_lib.cost_table; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([("conv", 4, 8, 3, 1, 0)], "layer 0, conv: takes 4 channels, 3 arrive"),
        ([("relu",), ("linear", 8, 2)], "layer 1, linear: takes 2 axes, 4 arrive"),
        ([("flatten",), ("linear", 8, 2)], "layer 1, linear: takes 8 features, 192 arrive"),
        ([("pool", 9, 1)], "layer 0, pool: kernel (=9) must fit"),
        ([("norm",)], "layer 0, norm: must be one of conv, pool, relu, flatten, linear"),
        ([("conv2d", 3)], "layer 0, conv2d: must come with a dict of its arguments"),
        (
            [("gelu", {"slope": 1})],
            "layer 0, gelu: gelu got an unexpected keyword argument 'slope'",
        ),
        ([("conv", 3, 8)], "layer 0, conv: not enough values"),
        ([("pool", 2, 0)], "layer 0, pool: stride"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(layers, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        of_layers((1, 3, 8, 8), layers)


def test_bad_input():
    with pytest.raises(TypeError, match="module must be a torch module, not int"):
        of_module(3, (1, 3))
    with pytest.raises(TypeError, match="must be an integer"):
        cost_table.of_layers((1, 3.0, 8, 8), [])
    with pytest.raises(ValueError, match="must be at least 1"):
        cost_table.of_layers((0, 3, 8, 8), [])
