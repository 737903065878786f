"""What all networks share: silent where images fit, and clear where they do not."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib import nets
from course_lib.nets.net import Net, smallest_square
from course_lib.receptive_field_torch import receptive_field_of


class Stack(Net):
    """Convolutions without padding: each takes two pixels off."""

    def __init__(self, n_layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[nn.Conv2d(1, 1, 3) for _ in range(n_layers)])

    def forward(self, x):
        return self.layers(x)


class OneSize(Net):
    """Takes images of one size, which is no power of two."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.head = nn.Linear(size * size, 2)

    def forward(self, x):
        return self.head(x.flatten(1))


@pytest.mark.parametrize("n_layers", range(1, 12))
def test_smallest_square_of_a_stack_is_its_receptive_field(n_layers):
    assert smallest_square(Stack(n_layers), channels=1) == 1 + 2 * n_layers


@pytest.mark.parametrize(("size", "limit", "smallest"), [(7, 10, 7), (1, 1, 1), (11, 10, None)])
def test_smallest_square_of_a_network_for_one_size(size, limit, smallest):
    assert smallest_square(OneSize(size), channels=1, limit=limit) == smallest


def test_smallest_square_agrees_with_trying_them_all():
    for name, last in [("lenet5", 40), ("alexnet", 70), ("vgg16", 40)]:
        with torch.device("meta"):
            net = nets.create(name).eval()
        works = []
        for n in range(1, last):
            try:
                with torch.no_grad():
                    net.forward(torch.zeros(1, nets.info(name).input[0], n, n, device="meta"))
            except RuntimeError:
                continue
            works.append(n)
        assert nets.smallest_input(name) == (works[0], works[0])


def test_nothing_of_the_network_changes_by_a_misfit():
    net = nets.create("resnet_cifar", depth=8).train()
    before = copy.deepcopy(net.state_dict())
    seen = []
    net.conv1.register_forward_hook(lambda *_: seen.append("after"))
    net.conv1.register_forward_pre_hook(lambda *_: seen.append("before"))
    with pytest.raises(ValueError, match="in_channels=3"):
        net(torch.zeros(2, 1, 8, 8))
    assert seen == ["before"], "the trial that finds the layer runs nobody's hooks"
    assert net.training
    assert not net.bn1._forward_pre_hooks
    after = net.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not any(tensor.is_meta for tensor in after.values())


def test_a_failure_that_is_not_the_images_stays_what_it_was():
    net = nets.create("lenet5")
    with pytest.raises(RuntimeError, match=r"dtype|type"):
        net(torch.zeros(1, 1, 32, 32, dtype=torch.float64))
    with pytest.raises(ValueError, match="more than 1 value per channel"):  # torch's own words
        nets.create("resnet18").train()(torch.zeros(1, 3, 32, 32))
    with pytest.raises(TypeError):
        net(None)


def test_an_empty_batch_gives_no_logits():
    assert nets.create("lenet5")(torch.zeros(0, 1, 32, 32)).shape == (0, 10)


def test_a_network_inside_another_still_says_where_it_is_stuck():
    with pytest.raises(ValueError, match="layer c5 of LeNet5"):
        nn.Sequential(nn.AvgPool2d(2), nets.create("lenet5"))(torch.zeros(1, 1, 32, 32))


@pytest.mark.parametrize("strict", [False, True])
def test_can_be_exported(strict):
    net = nets.create("lenet5").eval()
    x = torch.randn(2, 1, 32, 32)
    program = torch.export.export(net, (x,), strict=strict)
    torch.testing.assert_close(program.module()(x), net(x))
    assert set(program.state_dict) == set(net.state_dict())


def test_can_be_compiled():
    net = nets.create("lenet5").eval()
    x = torch.randn(2, 1, 32, 32)
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.parametrize(
    ("name", "size"), [("alexnet", 195), ("vgg16", 212), ("vgg19", 268), ("resnet50", 427)]
)
def test_can_be_traced_and_has_the_known_receptive_field(name, size):
    with torch.device("meta"):
        net = nets.create(name)
    body = [net.features] if name != "resnet50" else list(net.children())[:-2]  # no pool, no head
    height, width = receptive_field_of(nn.Sequential(*body))
    assert height.size == width.size == size


def test_a_whole_network_can_be_traced():
    net = nets.create("resnet_cifar", depth=8).eval()
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(torch.fx.symbolic_trace(net)(x), net(x))


def test_can_be_counted_copied_and_moved():
    net = nets.create("lenet5")
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, 32, 32))
    assert counter.get_total_flops() == 2 * 416_520
    twin = copy.deepcopy(net).double()
    assert twin(torch.zeros(1, 1, 32, 32, dtype=torch.float64)).dtype == torch.float64
