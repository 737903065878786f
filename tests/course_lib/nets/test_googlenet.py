"""GoogLeNet's module: four branches side by side."""

import torch

from course_lib import nets
from course_lib.nets.googlenet import MODULES, Inception


def test_module_stacks_its_four_branches_in_order():
    torch.manual_seed(0)
    module = Inception(8, 1, 2, 3, 4, 5, 6).eval()
    x = torch.randn(2, 8, 7, 5)
    out = module(x)
    assert out.shape == (2, 1 + 3 + 5 + 6, 7, 5)
    parts = out.split([1, 3, 5, 6], dim=1)
    for number, part in enumerate(parts, 1):
        torch.testing.assert_close(part, module.get_submodule(f"branch{number}")(x))
    assert all((part >= 0).all() for part in parts)


def test_pool_branch_sees_the_largest_neighbour():
    torch.manual_seed(0)
    module = Inception(4, 1, 1, 1, 1, 1, 2).eval()
    x = torch.randn(1, 4, 6, 6)
    pooled = torch.max_pool2d(x, 3, stride=1, padding=1)
    torch.testing.assert_close(module.branch4(x), module.branch4[1](pooled))


def test_channels_between_the_modules_are_the_papers():
    out = [c1 + c3 + c5 + pool for c1, _, c3, _, c5, pool in MODULES]
    assert out == [256, 480, 512, 512, 512, 528, 832, 832, 1024]  # table 1, column output size
    assert nets.create("googlenet").fc.in_features == 1024
