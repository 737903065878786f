"""Weights of a file, in each of the forms in which they are published."""

import re
from pathlib import Path

import pytest
import safetensors.torch
import torch

from course_lib import nets
from course_lib.nets.weights import load_weights, read_weights


def save_pth(state, path):
    torch.save(state, path)


def save_old_pth(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


WAYS = {
    "w.safetensors": safetensors.torch.save_file,
    "w.pth": save_pth,
    "w.pt": save_pth,
    "old.pth": save_old_pth,
}


def trained(name, **options):
    """A network whose every number, statistics too, is one of its own."""
    net = nets.create(name, **options)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator))
            else:
                tensor.fill_(7)
    return net


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("as_text", [True, False])
def test_every_number_comes_back(name, as_text, tmp_path):
    path = tmp_path / name
    net = trained("resnet_cifar", depth=8, width=4)
    WAYS[name](net.state_dict(), path)
    again = nets.create(
        "resnet_cifar", depth=8, width=4, weights=str(path) if as_text else Path(path)
    )
    for key, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(again.eval()(x), net.eval()(x))
    assert all(weight.requires_grad for weight in again.parameters())


def test_loaded_weights_do_not_hang_on_the_file(tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(nets.create("lenet5").state_dict(), path)
    net = nets.create("lenet5", weights=path)
    path.write_bytes(bytes(path.stat().st_size))
    assert net.c1.weight.abs().sum() > 0


def test_half_precision_is_read_into_the_networks_own(tmp_path):
    path = tmp_path / "half.safetensors"
    net = trained("lenet5")
    safetensors.torch.save_file({k: v.half() for k, v in net.state_dict().items()}, path)
    again = nets.create("lenet5", weights=path)
    assert again.c1.weight.dtype == torch.float32
    torch.testing.assert_close(again.c1.weight, net.c1.weight, atol=1e-3, rtol=1e-3)


def test_files_without_counters_are_read_as_torch_reads_them(tmp_path):
    path = tmp_path / "w.safetensors"
    net = trained("resnet_cifar", depth=8, width=4)
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    safetensors.torch.save_file(state, path)
    again = nets.create("resnet_cifar", depth=8, width=4, weights=path)
    assert again.bn1.num_batches_tracked == 0
    assert torch.equal(again.bn1.running_var, net.bn1.running_var)


def test_googlenets_published_file_has_auxiliary_heads_besides(torchvision_models, tmp_path):
    path = tmp_path / "w.pth"
    theirs = torchvision_models.googlenet(aux_logits=True, init_weights=False)
    assert any(key.startswith("aux2.") for key in theirs.state_dict())
    torch.save(theirs.state_dict(), path)
    net = nets.create("googlenet", weights=path)
    assert torch.equal(net.fc.weight, theirs.fc.weight)


def test_densenets_published_file_has_older_names(tmp_path):
    path = tmp_path / "w.pth"
    net = trained("densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): value
        for key, value in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, path)
    again = nets.create("densenet121", weights=path).state_dict()
    changed = [
        key
        for key, value in net.state_dict().items()
        if not torch.equal(again[key], value) and not key.endswith("num_batches_tracked")
    ]
    assert changed == []


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_ones_own_file_of_each_is_read_too(name, tmp_path):
    path = tmp_path / "w.safetensors"
    net = trained(name)
    safetensors.torch.save_file(net.state_dict(), path)
    again = nets.create(name, weights=path)
    assert all(torch.equal(again.state_dict()[k], v) for k, v in net.state_dict().items())


def test_a_head_of_ones_own_is_read_where_the_network_has_it(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(nets.create("lenet5", num_classes=26, in_channels=3).state_dict(), path)
    net = nets.create("lenet5", num_classes=26, in_channels=3, weights=path)
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 26)


def test_a_network_that_is_there_already_can_be_filled(tmp_path):
    path = tmp_path / "w.pth"
    net = trained("lenet5")
    torch.save(net.state_dict(), path)
    other = nets.create("lenet5")
    load_weights(other, path, "lenet5")
    assert torch.equal(other.f6.bias, net.f6.bias)
    assert set(read_weights(path)) == set(net.state_dict())
