"""ReceptiveField on its self-contained page: click, keyboard, building a stack, the overlay."""

import pytest

from course_lib.explorers import ReceptiveField


def unit(page, layer, index):
    return page.locator(f'.cx-unit[data-layer="{layer}"][data-index="{index}"]')


def seen(page, layer):
    cells = page.locator(f'.cx-seen[data-layer="{layer}"]')
    return [int(cell.get_attribute("data-index")) for cell in cells.all()]


def readout(page, term):
    return (
        page.locator(".cx-readout dt", has_text=term)
        .locator("xpath=following-sibling::dd[1]")
        .inner_text()
    )


def numbers(page, layer):
    """(units, size, jump, start) in the table."""
    cells = page.get_by_role("row", name=f"layer {layer}").locator("td").all()[-4:]
    return tuple(int(cell.inner_text().replace("−", "-")) for cell in cells)


def bar_heights(page):
    bars = page.locator(".cx-path-bar")
    return bars.evaluate_all("(all) => all.map((bar) => Number(bar.getAttribute('height')))")


def test_clicking_a_unit_shows_its_cone(open_page):
    page = open_page(ReceptiveField())
    unit(page, 3, 4).click()
    assert (seen(page, 3), seen(page, 2), seen(page, 1)) == ([4], [3, 4, 5], list(range(5, 12)))
    assert seen(page, 0) == list(range(4, 13))
    assert page.locator(".cx-end").all_text_contents() == ["4", "12"]
    assert readout(page, "Size").startswith("5 + (3 − 1)·2 = 9")
    assert page.locator(".cx-cone").get_attribute("d").count("M") == 3 + 9 + 21
    unit(page, 0, 8).hover()
    assert readout(page, "Pixel").startswith("Pixel 8: ")
    page.mouse.move(2, 2)
    assert readout(page, "Pixel").startswith("Point at a pixel")


def test_the_bars_are_the_effective_field(open_page):
    page = open_page(ReceptiveField())
    paths = ReceptiveField().paths
    highest = max(bar_heights(page))
    assert bar_heights(page) == pytest.approx(list(highest * paths / paths.max()), abs=0.02)
    told = page.locator(".cx-readout").get_by_text("Effective", exact=True)
    assert told.is_visible()
    page.get_by_role("checkbox", name="effective field").uncheck()
    assert set(bar_heights(page)) == {0}
    assert not told.is_visible()


def test_building_a_stack(open_page):
    page = open_page(ReceptiveField(image_size=48, layers=[(3, 1, 1)], unit=(1, 24)))
    add = page.get_by_role("button", name="Add a layer")
    for dilation in (2, 4, 8):
        add.click()
        layer = {2: 2, 4: 3, 8: 4}[dilation]
        page.get_by_label(f"padding of layer {layer}").select_option(str(dilation))
        page.get_by_label(f"dilation of layer {layer}").select_option(str(dilation))
    assert [numbers(page, layer)[1] for layer in (1, 2, 3, 4)] == [3, 7, 15, 31]
    assert page.get_by_label("Stack", exact=True).input_value() == "dilated"
    page.get_by_role("button", name="Remove the last").click()
    assert page.locator(".cx-layers tbody tr").count() == 3
    assert readout(page, "Unit").startswith("Unit 24 of layer 3 sees 15 pixels")


def test_what_does_not_fit_cannot_be_chosen(open_page):
    page = open_page(ReceptiveField(image_size=8, layers=[(3, 2), (3, 1)], unit=(2, 0)))
    open_kernels = page.get_by_label("kernel of layer 2").locator("option:not([disabled])")
    assert open_kernels.all_inner_texts() == ["1", "2", "3"]
    assert page.get_by_role("button", name="Add a layer").is_enabled()
    page.get_by_role("slider", name="pixels").press("End")
    assert open_kernels.count() == 7
    page.get_by_label("kernel of layer 2").select_option("7")
    page.get_by_role("slider", name="pixels").press("Home")
    assert page.get_by_role("slider", name="pixels").input_value() == "15"
    assert numbers(page, 2) == (1, 15, 2, 0)


def test_stacks_to_start_from(open_page):
    page = open_page(ReceptiveField())
    choose = page.get_by_label("Stack", exact=True)
    for name in choose.locator("option").evaluate_all("(all) => all.map((one) => one.value)")[:-1]:
        choose.select_option(name)
        assert choose.input_value() == name
    choose.select_option("plain")
    assert numbers(page, 5) == (24, 11, 1, -5)


def test_keyboard(open_page):
    page = open_page(ReceptiveField())
    page.locator(".cx-stack [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert readout(page, "Unit").startswith("Unit 4 of layer 4 sees 13 pixels, 10 to 22")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.startsWith('Unit 4 of layer 4')"
    )
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    assert readout(page, "Unit").startswith("Unit 16 of layer 1")
    assert readout(page, "Pixel").startswith("Pixel 0 lies outside the field")


@pytest.mark.parametrize("width", [480, 800, 1100])
@pytest.mark.parametrize(
    "state",
    [
        {},
        {"image_size": 64, "layers": [(7, 1, 8, 4)] * 2 + [(3, 1, 1)] * 6, "unit": (8, 0)},
        {"layers": [(1,)], "unit": (1, 23)},
    ],
)
def test_it_fits_a_phone_and_a_wide_page(open_page, width, state):
    page = open_page(ReceptiveField(**state), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".cx-stack").bounding_box()
    for row in (0, len(ReceptiveField(**state).layers)):
        for cell in (
            page.locator(f'[data-layer="{row}"]').first,
            page.locator(f'[data-layer="{row}"]').last,
        ):
            place = cell.bounding_box()
            assert box["x"] <= place["x"]
            assert place["x"] + place["width"] <= box["x"] + box["width"] + 1
