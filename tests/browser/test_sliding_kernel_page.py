"""SlidingKernel on its self-contained page: drag, hover, keyboard, sliders, words."""

import re

import numpy as np
import pytest

from course_lib import geometry, ops
from course_lib.explorers import SlidingKernel, sliding_kernel

RAMP6 = sliding_kernel.ramp(6)
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def cell(page, kind, row, column):
    return page.locator(f'.cx-{kind} [data-r="{row}"][data-c="{column}"]')


def centre(page, kind, row, column):
    box = cell(page, kind, row, column).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, start, end):
    """Press on one pixel, move to another in steps, let go."""
    page.mouse.move(*centre(page, "image", *start))
    page.mouse.down()
    page.mouse.move(*centre(page, "image", *end), steps=8)
    page.mouse.up()


def readout(page, term):
    """The description beside a term of the list: Pixel, Size, Left out, PyTorch, Output …"""
    return page.locator(".cx-readout dt", has_text=re.compile(f"^{term}")).locator(
        "xpath=following-sibling::dd[1]"
    )


def text_of(locator):
    return " ".join(locator.inner_text().split())


def slider(page, name):
    return page.get_by_role("slider", name=name)


def shown_output(page):
    """The texts of the output's cells, "" where nothing is filled in yet."""
    rows = page.locator(".cx-output .cx-row")
    return [rows.nth(i).locator(".cx-number").all_inner_texts() for i in range(rows.count())]


def test_it_opens_on_the_chapters_worked_example(open_page):
    page = open_page(SlidingKernel())
    assert text_of(readout(page, "Output")) == (
        "1×1 + 2×0 + 3×1 + 2×0 + 3×1 + 4×0 + 3×1 + 4×0 + 5×1 = 15"
    )
    assert page.get_by_role("math").get_attribute("aria-label") == (
        "⌊(5 + 2·0 − 1·(3 − 1) − 1) / 1⌋ + 1 = ⌊2 / 1⌋ + 1 = 3"
    )
    assert "F.conv2d(x, w)" in text_of(readout(page, "PyTorch"))
    assert shown_output(page) == [["15", "", ""], ["", "", ""], ["", "", ""]]


def test_dragging_moves_the_window_and_fills_the_output_in(open_page):
    page = open_page(SlidingKernel())
    drag(page, (1, 1), (1, 3))
    assert shown_output(page) == [["15", "20", "25"], ["", "", ""], ["", "", ""]]
    drag(page, (1, 3), (3, 3))
    assert text_of(readout(page, "Output \\(2, 2\\)")).endswith("= 35")
    assert shown_output(page) == [["15", "20", "25"], ["", "", "30"], ["", "", "35"]]
    # Far outside the image the window stays at the border.
    drag(page, (3, 3), (0, 0))
    assert text_of(readout(page, "Output \\(0, 0\\)")).endswith("= 15")


def test_the_window_snaps_to_the_stride(open_page):
    page = open_page(SlidingKernel(image=RAMP6, stride=3, kernel=[[1]], filled=True))
    drag(page, (0, 0), (4, 5))
    page.wait_for_timeout(200)  # the window glides for 90 ms
    assert readout(page, "Output \\(1, 1\\)").is_visible()
    frame, pixel = (
        page.locator(".cx-window").bounding_box(),
        cell(page, "image", 3, 3).bounding_box(),
    )
    assert frame["x"] + 3 == pytest.approx(pixel["x"], abs=1)
    assert frame["y"] + 3 == pytest.approx(pixel["y"], abs=1)


def test_hover_works_both_ways(open_page):
    page = open_page(SlidingKernel())
    cell(page, "output", 1, 2).hover()
    assert text_of(readout(page, "Output \\(1, 2\\)")).endswith("= 30")
    taps = page.locator(".cx-image .cx-tap")
    assert [tap.get_attribute("data-r") for tap in taps.all()] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
    cell(page, "image", 0, 1).hover()
    assert text_of(readout(page, "Pixel")) == "Pixel (0, 1) = 2 is in 2 of the 9 windows."
    linked = page.locator(".cx-output .cx-linked")
    assert [
        (c.get_attribute("data-c"), c.locator(".cx-corner").inner_text()) for c in linked.all()
    ] == [
        ("0", "×0"),
        ("1", "×1"),
    ]
    page.mouse.move(2, 2)
    assert linked.count() == 0


def test_keyboard_moves_the_window(open_page):
    page = open_page(SlidingKernel())
    page.locator(".cx-window").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")  # against the border: nothing happens
    assert text_of(readout(page, "Output \\(0, 1\\)")).endswith("= 20")
    assert shown_output(page)[:2] == [["15", "20", ""], ["", "25", ""]]
    page.keyboard.press("End")
    assert readout(page, "Output \\(2, 2\\)").is_visible()
    page.wait_for_function(
        "(start) => document.querySelector('[aria-live]').textContent.startsWith(start)",
        arg="Output row 2, column 2: 5×1 + ",
    )


def test_tab_reaches_everything_in_order_with_a_visible_focus(open_page):
    page = open_page(SlidingKernel())
    stops = []
    for _ in range(13):
        page.keyboard.press("Tab")
        stops.append(
            page.evaluate(
                "(document.activeElement.closest('.cx-grid')?.classList[1] ?? '') + ':' +"
                "(document.activeElement.getAttribute('role') ?? document.activeElement.tagName)"
            )
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", stops[-1]
    assert stops == [
        ":SELECT",
        ":SELECT",
        ":BUTTON",
        ":BUTTON",
        ":application",
        "cx-image:gridcell",
        "cx-kernel:gridcell",
        "cx-output:gridcell",
        *[":INPUT"] * 5,
    ]


def test_keyboard_walks_the_output_and_the_pixels(open_page):
    page = open_page(SlidingKernel())
    page.locator(".cx-output [tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    assert text_of(readout(page, "Output \\(1, 2\\)")).endswith("= 30")
    page.locator(".cx-image .cx-cell[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert text_of(readout(page, "Pixel")) == "Pixel (0, 1) = 2 is in 2 of the 9 windows."
    assert cell(page, "image", 0, 1).get_attribute("aria-label") == "row 0, column 1: 2"


def test_editing_weights_and_pixels(open_page):
    page = open_page(SlidingKernel())
    cell(page, "kernel", 0, 0).click()
    page.keyboard.type("-2")
    page.keyboard.press("Enter")
    assert text_of(readout(page, "Output")).startswith("1×(−2) + 2×0")
    assert text_of(readout(page, "Output")).endswith("= 12")
    assert page.get_by_label("Kernel", exact=True).input_value() == "custom"
    # From the keyboard: a digit starts, Escape gives up, nonsense stays open.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("7")
    page.keyboard.press("Escape")
    assert cell(page, "kernel", 0, 1).inner_text() == "0"
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    assert page.locator(".cx-edit[aria-invalid]").count() == 1
    page.keyboard.press("Control+A")
    page.keyboard.type("1/9")
    page.keyboard.press("Enter")
    assert cell(page, "kernel", 0, 1).inner_text() == "1/9"
    # A pixel: double click, and a click elsewhere keeps what was typed.
    cell(page, "image", 0, 0).dblclick()
    page.keyboard.type("9")
    page.locator(".cx-hint").click()
    assert cell(page, "image", 0, 0).locator(".cx-number").inner_text() == "9"
    assert text_of(readout(page, "Output")).startswith("9×(−2) + 2×1/9")


def test_padding_cannot_be_edited(open_page):
    page = open_page(SlidingKernel(padding=1))
    cell(page, "image", 0, 0).dblclick()
    assert page.locator(".cx-edit").count() == 0


def test_pixels_that_the_floor_drops_are_marked_with_words(open_page):
    page = open_page(SlidingKernel(image=RAMP6, stride=2))
    dropped = page.locator(".cx-image .cx-dropped")
    places = {
        (int(c.get_attribute("data-r")), int(c.get_attribute("data-c"))) for c in dropped.all()
    }
    assert places == {(r, c) for r in range(6) for c in range(6) if 5 in (r, c)}
    assert cell(page, "image", 5, 0).get_attribute("aria-label") == (
        "row 5, column 0: 6, dropped by the floor"
    )
    assert text_of(readout(page, "Left out")) == (
        "Row 5 and column 5: the floor drops them, because the stride leaves 1 over."
    )
    assert page.get_by_role("math").get_attribute("aria-label") == (
        "⌊(6 + 2·0 − 1·(3 − 1) − 1) / 2⌋ + 1 = ⌊3 / 2⌋ + 1 = ⌊1.5⌋ + 1 = 2"
    )


def test_a_rectangle_has_two_formulas(open_page):
    page = open_page(SlidingKernel(image=RAMP6[:4], kernel=[[1, 1]]))
    labels = [m.get_attribute("aria-label") for m in page.get_by_role("math").all()]
    assert labels == [
        "height ⌊(4 + 2·0 − 1·(1 − 1) − 1) / 1⌋ + 1 = ⌊3 / 1⌋ + 1 = 4",
        "width ⌊(6 + 2·0 − 1·(2 − 1) − 1) / 1⌋ + 1 = ⌊4 / 1⌋ + 1 = 5",
    ]


NAMES = ("image", "kernel", "stride", "padding", "dilation")


def check_page_against_the_library(page):
    """Everything the page claims follows from its sliders."""
    n, k, stride, padding, dilation = (int(slider(page, name).input_value()) for name in NAMES)
    out = geometry.output_size(n, k, stride, padding, dilation)  # raises where no window fits
    assert page.locator(".cx-output .cx-cell").count() == out * out
    assert page.locator(".cx-image .cx-cell").count() == (n + 2 * padding) ** 2
    numbers = page.locator(".cx-kernel .cx-number").all_inner_texts()
    kernel = np.array([float(number.replace("−", "-")) for number in numbers]).reshape(k, k)
    expected = ops.conv2d_single(
        np.array(sliding_kernel.ramp(n)), kernel, stride, padding, dilation
    )
    assert np.array(shown_output(page), dtype=float).tolist() == expected.tolist()
    assert page.get_by_role("math").get_attribute("aria-label").endswith(f" = {out}")
    return n, k, stride, padding, dilation


def test_sliders_at_their_extremes(open_page):
    """Every slider to its end, to its start, in both orders: a window always fits."""
    page = open_page(SlidingKernel(filled=True))
    reached = set()
    for keys in (("End",), ("Home",), ("Home", "End"), ("End", "Home")):
        for names in (NAMES, NAMES[::-1]):
            for key in keys:
                for name in names:
                    slider(page, name).press(key)
                    reached.add(check_page_against_the_library(page))
    assert {setting[0] for setting in reached} >= {1, 10}
    assert {setting[3] for setting in reached} >= {0, 4}
    assert len(reached) > 15


def test_a_slider_stops_where_no_window_fits_and_says_why(open_page):
    page = open_page(SlidingKernel())
    slider(page, "dilation").press("End")
    assert slider(page, "dilation").input_value() == "2"
    assert slider(page, "dilation").get_attribute("aria-valuetext") == (
        "2 (at most 2: a window must fit)"
    )
    slider(page, "kernel").press("End")
    assert slider(page, "kernel").input_value() == "3"
    slider(page, "padding").press("ArrowRight")
    slider(page, "dilation").press("End")
    assert slider(page, "dilation").input_value() == "3"


def test_presets(open_page):
    page = open_page(SlidingKernel(filled=True))
    page.get_by_label("Kernel", exact=True).select_option("sobel_x")
    page.get_by_label("Image", exact=True).select_option("vertical")
    image = [[0, 0, 0, 9, 9]] * 5
    expected = ops.conv2d_single(np.array(image), np.array(SOBEL))
    assert np.array(shown_output(page), dtype=float).tolist() == expected.tolist()
    # A 3×3 preset where only 1×1 fits brings the padding it needs.
    for name in ("kernel", "image"):
        slider(page, name).press("Home")
    page.get_by_label("Kernel", exact=True).select_option("sharpen")
    assert slider(page, "padding").input_value() == "1"


def test_sweep_and_fill(open_page):
    page = open_page(SlidingKernel())
    page.get_by_role("button", name="Sweep").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_role("button", name="Sweep").wait_for()
    assert shown_output(page) == [["15", "20", "25"], ["20", "25", "30"], ["25", "30", "35"]]
    page.get_by_role("button", name="Clear").click()
    assert shown_output(page)[0] == ["", "", ""]
    page.get_by_role("button", name="Fill in").click()
    assert shown_output(page)[1] == ["20", "25", "30"]


@pytest.mark.parametrize("width", [480, 1100])
@pytest.mark.parametrize(
    "state",
    [
        {},
        {"padding": 4, "filled": True},
        {"image": sliding_kernel.ramp(10), "padding": 4, "kernel": [[1]], "filled": True},
        {"image": sliding_kernel.ramp(10), "padding": 4, "kernel": [[1 / 25] * 5] * 5},
    ],
)
def test_it_fits_a_phone_and_a_wide_page(open_page, width, state):
    page = open_page(SlidingKernel(**state), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [page.locator(f".cx-{kind}").bounding_box() for kind in ("image", "kernel", "output")]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert page.locator(".cx-cell").first.bounding_box()["width"] >= 16
