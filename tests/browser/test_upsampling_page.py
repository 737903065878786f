"""Upsampling on its self-contained page: stamps, hover, sliders, keyboard, words."""

import numpy as np
import pytest

from course_lib.explorers import Upsampling

STRIP = [[1, 2, 3, 4]]


def cell(page, kind, row, column):
    return page.locator(f'.cx-{kind} [data-r="{row}"][data-c="{column}"]')


def places(page, selector):
    return [
        (int(c.get_attribute("data-r")), int(c.get_attribute("data-c")))
        for c in page.locator(selector).all()
    ]


def numbers(page, kind):
    """The numbers of a grid without the cells that the padding cuts off."""
    rows = page.locator(f".cx-{kind} .cx-row")
    texts = [
        rows.nth(i).locator(".cx-cell:not(.cx-cut) .cx-number").all_inner_texts()
        for i in range(rows.count())
    ]
    return [[float(text.replace("−", "-")) for text in row] for row in texts if row]


def readout(page, term):
    return (
        page.locator(".cx-readout dt")
        .get_by_text(term, exact=True)
        .locator("xpath=following-sibling::dd[1]")
        .inner_text()
    )


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def landed_text(page):
    return page.locator(".cx-landed").inner_text()


def test_what_is_to_be_seen_at_once(open_page):
    """Uneven overlaps on the left, even ones on the right, each said in words."""
    page = open_page(Upsampling())
    assert numbers(page, "output") == Upsampling().counts.tolist()
    assert numbers(page, "resized") == [[9] * 10] * 10
    assert page.locator(".cx-evenness").all_inner_texts() == [
        "Uneven inside: 1, 2 and 4 stamps",
        "Even everywhere: 9 products in each pixel",
    ]
    # The dashed frame stands round the pixels that the words are about.
    frame, first, last = (
        one.bounding_box()
        for one in (
            page.locator(".cx-inside"),
            cell(page, "output", 1, 1),
            cell(page, "output", 9, 9),
        )
    )
    assert frame["x"] < first["x"] < frame["x"] + 5
    assert -5 < last["y"] + last["height"] - (frame["y"] + frame["height"]) < 0


def test_the_stamps_land_one_by_one(open_page):
    page = open_page(Upsampling(image=STRIP, landed=0, show="values"))
    assert numbers(page, "output") == [[0] * 9]
    assert not page.locator(".cx-stamp").first.is_visible()
    assert page.locator(".cx-evenness").first.inner_text() == "Not all stamps have landed yet"
    for landed in range(1, 5):
        button(page, "Step").press("Enter")
        expected = Upsampling(image=STRIP, landed=landed).output
        assert numbers(page, "output") == expected.tolist()
        assert landed_text(page) == f"{landed} of 4 stamps landed"
    assert page.locator(".cx-stamps .cx-cell:not(.cx-empty)").count() == 4 * 3
    assert button(page, "Step").is_disabled()
    assert page.locator(".cx-evenness").first.inner_text() == "Uneven inside: 1 and 2 stamps"
    button(page, "Back").click()
    assert numbers(page, "output") == Upsampling(image=STRIP, landed=3).output.tolist()
    button(page, "Land all").click()
    button(page, "Clear").click()
    assert numbers(page, "output") == [[0] * 9]


def test_play_goes_through_all_stamps_and_stops(open_page):
    page = open_page(Upsampling())
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # from here on, time goes by as the test says
    button(page, "Play").press("Enter")
    assert landed_text(page) == "0 of 25 stamps landed"
    page.clock.run_for(3 * 240)
    assert landed_text(page) == "3 of 25 stamps landed"
    button(page, "Stop").press("Enter")
    page.clock.run_for(2000)
    assert landed_text(page) == "3 of 25 stamps landed"
    button(page, "Play").press("Enter")
    page.clock.run_for(30 * 240)
    assert landed_text(page) == "25 of 25 stamps landed"
    assert button(page, "Play").is_visible()


def test_hover_goes_both_ways(open_page):
    page = open_page(Upsampling(padding=1))
    cell(page, "output", 2, 3).hover()  # on the canvas; the padding cuts one row and column off
    assert readout(page, "Output (1, 2)") == "2 stamps: from pixels (0, 1) and (1, 1)."
    assert places(page, ".cx-image .cx-linked") == [(0, 1), (1, 1)]
    cell(page, "image", 2, 1).hover()
    corner = cell(page, "output", 4, 2).bounding_box()
    page.wait_for_timeout(150)  # the frame glides
    frame = page.locator(".cx-slide:visible .cx-stamp").bounding_box()
    assert frame["x"] == pytest.approx(corner["x"] - 3, abs=1)
    assert frame["y"] == pytest.approx(corner["y"] - 3, abs=1)
    cell(page, "resized", 1, 1).hover()
    assert readout(page, "Resize") == (
        "Pixel (1, 1) sums 9 products: 4 of pixel (0, 0), 2 of pixel (0, 1), "
        "2 of pixel (1, 0) and 1 of pixel (1, 1)."
    )
    assert places(page, ".cx-image .cx-linked") == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_keyboard_alone(open_page):
    page = open_page(Upsampling())
    page.locator(".cx-image [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert landed_text(page) == "2 of 25 stamps landed"
    assert numbers(page, "output") == Upsampling(landed=2).counts.tolist()
    page.locator(".cx-output [tabindex='0']").focus()
    page.keyboard.press("ArrowLeft")
    assert readout(page, "Output (4, 3)") == "0 of 2 stamps so far: from pixels (1, 1) and (2, 1)."
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    button(page, "Land all").press("Enter")
    page.get_by_role("slider", name="kernel").press("ArrowRight")
    assert page.locator(".cx-evenness").first.inner_text() == (
        "Even inside: 4 stamps on each pixel"
    )
    page.get_by_label("Show").select_option("values")
    page.get_by_label("Weights").select_option("tent")
    page.get_by_label("Pixels", exact=True).select_option("ramp")
    ramp = [[r + c + 1 for c in range(5)] for r in range(5)]
    expected = Upsampling(image=ramp, kernel_size=4, weights="tent")
    np.testing.assert_allclose(numbers(page, "output"), expected.output, atol=0.0501)
    np.testing.assert_allclose(numbers(page, "resized"), expected.resized, atol=0.0501)
    page.get_by_label("Input").select_option("strip")
    assert readout(page, "PyTorch").startswith("y = F.conv_transpose1d(x, w, stride=2)")


def test_sliders_stop_at_the_last_possible_setting(open_page):
    page = open_page(Upsampling(image=[[1, 1]], kernel_size=2, stride=2, output_padding=1))
    stride = page.get_by_role("slider", name="stride")
    stride.press("Home")
    assert stride.get_attribute("aria-valuetext") == (
        "2 (at least 2: output padding must be below the stride)"
    )
    padding = page.get_by_role("slider", name="padding", exact=True)
    padding.press("End")
    assert padding.get_attribute("aria-valuetext") == (
        "2 (at most 2: some of the output must be left)"
    )
    assert readout(page, "Size").splitlines()[1] == "= (2 − 1)·2 − 2·2 + (2 − 1) + 1 + 1 = 1"
    assert len(numbers(page, "output")[0]) == 1


@pytest.mark.parametrize("width", [480, 700, 1100])
@pytest.mark.parametrize("rows", [1, 5])
def test_it_fits_a_phone_and_a_wide_page(open_page, width, rows):
    largest = {"kernel_size": 6, "stride": 3, "output_padding": 2}
    page = open_page(Upsampling(image=[[1] * 5] * rows, **largest), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for kind in ("image", "output", "resized"):
        box = page.locator(f".cx-{kind}").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert page.locator(".cx-cell").first.bounding_box()["width"] >= 16


@pytest.mark.parametrize("width", [700, 1100])
def test_the_two_stand_side_by_side(open_page, width):
    page = open_page(Upsampling(), width=width)
    left, right = (page.locator(f".cx-{kind}").bounding_box() for kind in ("output", "resized"))
    assert left["y"] == pytest.approx(right["y"], abs=1)
    assert left["x"] + left["width"] < right["x"]
