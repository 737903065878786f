"""The playground's page: sliders, pictures, words, without a kernel or a network."""

import numpy as np
import pytest

from course_lib.explorers.playground import Playground


def slide(page, label, keys):
    slider = page.get_by_label(label, exact=True)
    slider.focus()
    for key in keys:
        page.keyboard.press(key)


def test_every_number_follows_the_sliders(open_page):
    page = open_page(Playground())
    assert page.get_by_text("nn.Conv2d(64, 128, kernel_size=3)").is_visible()
    slide(page, "kernel size", ["ArrowRight", "ArrowRight"])
    slide(page, "stride", ["ArrowRight"])
    slide(page, "channels in", ["Home"])
    twin = Playground(kernel_size=5, stride=2, in_channels=1)
    assert page.get_by_text(twin.torch_line).is_visible()
    assert page.locator(".cx-plain").inner_text().endswith(f"= {twin.output_shape[0]}")
    fields = page.locator(".cx-reach-number").all_inner_texts()
    assert [text.split(",")[0] for text in fields] == [str(f) for f in twin.receptive_fields]
    assert f"{twin.separable_weights[0]:,} weights" in page.locator(".cx-root").inner_text()


@pytest.mark.parametrize("end", ["Home", "End"])
def test_the_sliders_ends_are_possible(open_page, end):
    page = open_page(Playground())
    for label in ("kernel size", "stride", "padding", "dilation", "layers", "channels in"):
        slide(page, label, [end])
    rows = page.locator("canvas").nth(1).evaluate("canvas => canvas.height")
    settings = (2, 1, 0, 1) if end == "Home" else (7, 4, 6, 4)
    names = ("kernel_size", "stride", "padding", "dilation")
    assert rows == Playground(**dict(zip(names, settings, strict=True))).output_shape[0]


def test_the_response_is_painted(open_page):
    page = open_page(Playground())
    page.get_by_label("Image", exact=True).select_option("gradient")
    pixels = (
        page.locator("canvas")
        .nth(1)
        .evaluate("canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, 1).data]")
    )
    # The same slope everywhere: one blue, and not the paper's white.
    colours = {tuple(pixels[i : i + 3]) for i in range(0, len(pixels), 4)}
    assert colours == {(31, 95, 168)}
    assert "everywhere 0.13" in page.locator("canvas").nth(1).get_attribute("aria-label")


def test_an_image_of_ones_own_is_shown(open_page):
    page = open_page(Playground.of(np.eye(40)))
    assert page.locator("canvas").first.evaluate("canvas => canvas.width") == 40
    assert "image, your own, 40 × 40" in page.locator("canvas").first.get_attribute("aria-label")
