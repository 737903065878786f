"""The published receptive fields come out of the layer tables."""

import doctest

import pytest

from course_lib import layer_tables
from course_lib.geometry import output_size, receptive_field

PUBLISHED = {
    "AlexNet": 195,
    "VGG-16": 212,
    "VGG-19": 268,
    "ResNet-50 (stride in the 1×1)": 483,
    "ResNet-50 (stride in the 3×3)": 427,
}


def test_every_published_field():
    found = {
        name: receptive_field(backbone.layers).size
        for name, backbone in layer_tables.BACKBONES.items()
    }
    assert found == PUBLISHED


@pytest.mark.parametrize(
    ("name", "side"),
    [("AlexNet", 6), ("VGG-16", 7), ("VGG-19", 7), *((n, 7) for n in list(PUBLISHED)[3:])],
)
def test_224_pixels_become_the_published_map(name, side):
    n = 224
    for layer in layer_tables.layer_table(name):
        n = output_size(n, *layer)
    assert n == side


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [("AlexNet", 5), ("VGG-16", 13), ("VGG-19", 16), *((n, 49) for n in list(PUBLISHED)[3:])],
)
def test_the_names_count_the_convolutions_and_the_classifier(name, convolutions):
    poolings = {"AlexNet": 3, "VGG-16": 5, "VGG-19": 5}.get(name, 1)
    assert len(layer_tables.layer_table(name)) == convolutions + poolings


def test_every_table_names_its_source():
    assert all(backbone.source for backbone in layer_tables.BACKBONES.values())


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"name \(='VGG16'\) must be one of 'AlexNet', 'VGG-16'"):
        layer_tables.layer_table("VGG16")


def test_examples_are_true():
    assert doctest.testmod(layer_tables).failed == 0
