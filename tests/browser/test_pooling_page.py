"""Pooling on its self-contained page: hover, shift, the four operations, keyboard, words."""

import numpy as np
import pytest

from course_lib.explorers import Pooling, pooling

NUMBERS = [[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]]


def cell(page, kind, row, column):
    return page.locator(f'.cx-{kind} [data-r="{row}"][data-c="{column}"]')


def places(page, selector):
    return [
        (int(c.get_attribute("data-r")), int(c.get_attribute("data-c")))
        for c in page.locator(selector).all()
    ]


def numbers(page, kind):
    rows = page.locator(f".cx-{kind} .cx-row")
    texts = [rows.nth(i).locator(".cx-number").all_inner_texts() for i in range(rows.count())]
    return np.array([[float(text.replace("−", "-")) for text in row] for row in texts])


def readout(page, term):
    return (
        page.locator(".cx-readout dt", has_text=term)
        .locator("xpath=following-sibling::dd[1]")
        .inner_text()
    )


def test_a_window_its_winner_and_where_the_gradient_goes(open_page):
    page = open_page(Pooling(image=NUMBERS))
    cell(page, "output", 1, 0).hover()
    assert places(page, ".cx-image .cx-tap") == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert places(page, ".cx-image .cx-won") == [(2, 1)]
    assert places(page, ".cx-gradient .cx-linked") == [(2, 1)]
    assert readout(page, "Output (1, 0)") == "max(7, 8, 3, 5) = 8"
    # From the other side: a pixel shows its window, and what it gets.
    cell(page, "image", 0, 3).hover()
    assert places(page, ".cx-output .cx-linked") == [(0, 1)]
    assert readout(page, "Pixel") == "Pixel (0, 3) = 1 is in 1 window and wins none: it gets 0."
    page.mouse.move(2, 2)
    assert page.locator(".cx-output .cx-linked").count() == 0


def test_each_operation_shows_the_librarys_output_and_gradient(open_page):
    page = open_page(Pooling())
    page.get_by_role("slider", name="shift to the right").press("ArrowRight")
    for kind in pooling.KINDS:
        expected = Pooling(kind=kind, shift=1)
        card = page.locator(".cx-card").nth(pooling.KINDS.index(kind))
        card.click()
        assert card.get_attribute("aria-pressed") == "true"
        assert card.locator("b").inner_text() == f"{round(100 * expected.change)} %"
        np.testing.assert_allclose(numbers(page, "output"), expected.output, atol=0.0051)
        np.testing.assert_allclose(numbers(page, "gradient"), expected.gradient, atol=0.0051)
        assert page.locator(".cx-kernel").is_visible() == (kind == "strided")


def bar_heights(page):
    """Of max pooling, a height in per cent for each shift."""
    bars = page.locator(".cx-bars").first.locator("span")
    return bars.evaluate_all("(bars) => bars.map((bar) => parseFloat(bar.style.height))")


def test_the_bars_of_all_shifts_wait_for_the_reader(open_page):
    page = open_page(Pooling())
    changes = [Pooling(shift=shift).change for shift in range(8)]
    highest = max(Pooling(kind=k, shift=s).change for k in pooling.KINDS for s in range(8))
    full = [100 * change / highest for change in changes]
    assert bar_heights(page) == [0] * 8
    for _ in range(2):
        page.get_by_role("slider", name="shift to the right").press("ArrowRight")
    assert bar_heights(page) == pytest.approx([*full[:3], *[0] * 5], abs=0.01)
    every = page.get_by_role("checkbox", name="bars of all shifts")
    every.check()
    assert bar_heights(page) == pytest.approx(full, abs=0.01)
    every.uncheck()
    assert bar_heights(page) == pytest.approx([0, 0, full[2], *[0] * 5], abs=0.01)
    assert bar_heights(open_page(Pooling(filled=True))) == pytest.approx(full, abs=0.01)


def test_keyboard(open_page):
    page = open_page(Pooling(image=NUMBERS))
    page.get_by_role("slider", name="shift to the right").press("End")
    assert (
        page.get_by_role("slider", name="shift to the right").get_attribute("aria-valuetext")
        == "3 (at most 3: the image is 4 pixels wide)"
    )
    page.get_by_role("slider", name="shift to the right").press("Home")
    page.get_by_role("button", name="Average pooling").press("Enter")
    page.locator(".cx-output [tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    assert readout(page, "Output (1, 1)") == "(1 + 2 + 9 + 4) / 4 = 4"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.includes('shared evenly: 0.25 to')"
    )
    page.locator(".cx-image [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert readout(page, "Pixel") == "Pixel (0, 1) = 3 is in 1 window: it gets 0.25."
    page.get_by_role("button", name="Strided").press("Enter")
    page.locator(".cx-kernel [tabindex='0']").focus()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    assert page.get_by_label("Weights", exact=True).input_value() == "custom"


def test_a_typed_pixel_lands_where_it_is_shown(open_page):
    page = open_page(Pooling(image=NUMBERS, shift=1))
    cell(page, "image", 0, 0).dblclick()
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    assert numbers(page, "image")[0].tolist() == [7, 1, 3, 2]
    page.get_by_role("slider", name="shift to the right").press("Home")
    assert numbers(page, "image")[0].tolist() == [1, 3, 2, 7]


@pytest.mark.parametrize("width", [480, 800, 1100])
@pytest.mark.parametrize("kind", ["max", "strided"])
def test_it_fits_a_phone_and_a_wide_page(open_page, width, kind):
    image = np.arange(100).reshape(10, 10)
    page = open_page(Pooling(image=image, kind=kind, stride=1), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in (page.locator(f".cx-{kind}").bounding_box() for kind in ("image", "gradient")):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert page.locator(".cx-cell").first.bounding_box()["width"] >= 16
