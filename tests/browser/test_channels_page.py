"""Channels on its self-contained page: the window, the sums, the maps, editing, keyboard."""

import numpy as np
import pytest

from course_lib.explorers import Channels


def cell(page, kind, row, column, nth=0):
    grid = page.locator(f".cx-grid.cx-{kind}").nth(nth)
    return grid.locator(f'[data-r="{row}"][data-c="{column}"]')


def numbers(page, kind, nth=0):
    rows = page.locator(f".cx-grid.cx-{kind}").nth(nth).locator(".cx-row")
    texts = [rows.nth(i).locator(".cx-number").all_inner_texts() for i in range(rows.count())]
    return np.array([[float(text.replace("−", "-")) for text in row] for row in texts])


def readout(page, term):
    return (
        page.locator(".cx-readout dt", has_text=term)
        .locator("xpath=following-sibling::dd[1]")
        .inner_text()
    )


def check_against_the_library(page, explorer):
    row, column = explorer.position
    for channel in range(3):
        window = np.array(explorer.image)[channel, row : row + 3, column : column + 3]
        assert (numbers(page, "patch", channel) == window).all()
        kernel = explorer.kernels[explorer.map][channel]
        np.testing.assert_allclose(numbers(page, "slice", channel), kernel, atol=0.005)
    shown = [text.replace("−", "-") for text in page.locator(".cx-partial").all_inner_texts()]
    value = explorer.output[explorer.map, row, column]
    assert [float(text) for text in shown] == pytest.approx(
        [*explorer.partial_sums, value], abs=0.005
    )
    for index, expected in enumerate(explorer.output):
        np.testing.assert_allclose(numbers(page, "map", index), expected, atol=0.0051)


def test_the_window_the_slices_and_the_maps(open_page):
    explorer = Channels()
    page = open_page(explorer)
    check_against_the_library(page, explorer)
    colour = cell(page, "image", 2, 2).evaluate("(node) => getComputedStyle(node).backgroundColor")
    assert colour == "rgb(255, 142, 0)"
    cell(page, "map", 2, 3, nth=1).hover()
    check_against_the_library(page, Channels(map=1, position=(2, 3)))
    assert readout(page, "Map 1 (2, 3)").endswith("= 15")
    # From the image: the pixel pointed at becomes the window's middle.
    cell(page, "image", 1, 1).hover()
    check_against_the_library(page, Channels(map=1, position=(0, 0)))
    cell(page, "slice", 0, 2, nth=1).hover()
    assert page.locator(".cx-sums .cx-linked").count() == 2
    assert readout(page, "Product").startswith("green of pixel (0, 2) times its weight: ")


def test_more_maps_and_other_kernels(open_page):
    page = open_page(Channels())
    page.get_by_role("slider", name="kernels, and so maps").press("End")
    assert page.locator(".cx-grid.cx-map").count() == 4
    assert readout(page, "Parameters").endswith("× 4 kernels = 112.")
    page.get_by_label("Kernel", exact=True).select_option("blue")
    page.get_by_label("Image", exact=True).select_option("redgreen")
    assert numbers(page, "map", 0)[0].tolist() == [-7, -7, 0, 0]
    page.get_by_role("slider", name="kernels, and so maps").press("Home")
    assert readout(page, "Parameters") == "3·3 weights × 3 channels + 1 bias = 28."


def test_keyboard_and_editing(open_page):
    page = open_page(Channels())
    page.locator(".cx-map [tabindex='0']").first.focus()
    page.keyboard.press("ArrowRight")
    assert readout(page, "Map 0 (1, 1)").endswith("= 4")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.wait_for_function(
        "(start) => document.querySelector('[role=status]').textContent.startsWith(start)",
        arg="Map 0 of 2, row 1, column 1",
    )
    page.locator(".cx-bias [tabindex='0']").focus()
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    assert readout(page, "Map 0 (1, 1)").endswith("+ bias 5 = 9")
    cell(page, "slice", 1, 1).click()
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    assert readout(page, "Map 0 (1, 1)").startswith("red 26 + ")
    assert page.get_by_label("Kernel", exact=True).input_value() == "custom"
    cell(page, "patch", 0, 0, nth=2).dblclick()
    page.keyboard.type("99")  # brighter than a colour can be
    page.keyboard.press("Enter")
    assert numbers(page, "patch", 2)[0, 0] == 9


@pytest.mark.parametrize("width", [480, 800, 1100])
@pytest.mark.parametrize("n", [1, 4])
def test_it_fits_a_phone_and_a_wide_page(open_page, width, n):
    rng = np.random.default_rng(0)
    page = open_page(
        Channels(image=rng.integers(0, 10, (3, 8, 8)), kernels=rng.integers(-3, 4, (n, 3, 3, 3))),
        width=width,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in page.locator(".cx-grid, .cx-sums").all():
        box = part.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert page.locator(".cx-map .cx-cell").first.bounding_box()["width"] >= 16
