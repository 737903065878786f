"""LeNet-5, layer by layer."""

import torch

from course_lib import nets


def test_parameters_of_each_layer():
    net = nets.create("lenet5")
    counts = [
        sum(weight.numel() for weight in layer.parameters())
        for layer in (net.c1, net.c3, net.c5, net.f6, net.output)
    ]
    assert counts == [156, 2_416, 48_120, 10_164, 850]
    assert sum(counts) == 61_706


def test_shapes_on_the_way():
    net = nets.create("lenet5")
    shapes = {}
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda _, x, y, name=name: shapes.update({name: y.shape[1:]}))
    net(torch.zeros(1, 1, 32, 32))
    assert [tuple(shapes[name]) for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output")] == [
        (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,),
    ]  # fmt: skip


def test_returns_logits():
    logits = nets.create("lenet5")(torch.randn(8, 1, 32, 32))
    assert (logits < 0).any()
    assert not torch.allclose(logits.sum(dim=1), torch.ones(8))
