"""Connections on its self-contained page: hover, keyboard, sliders, counts, matrices."""

import pytest

from course_lib import cost, geometry
from course_lib.explorers import Connections


def panel(page, title):
    return page.get_by_role("region", name=title)


def cell(page, title, kind, row, column):
    return panel(page, title).locator(f'.cx-{kind} [data-r="{row}"][data-c="{column}"]')


def labels(page, title, kind):
    """{(row, column): label} of the cells that carry one."""
    found = {}
    for used in panel(page, title).locator(f".cx-{kind} .cx-used").all():
        place = int(used.get_attribute("data-r")), int(used.get_attribute("data-c"))
        found[place] = used.inner_text()
    return found


def sentence(page, title):
    return panel(page, title).locator(".cx-sentence").inner_text()


def slider(page, name):
    return page.get_by_role("slider", name=name)


def test_hovering_an_output_shows_the_weights_it_uses(open_page):
    page = open_page(Connections())
    cell(page, "Convolution", "outputs", 0, 0).hover()
    first = labels(page, "Convolution", "input")
    dense_first = labels(page, "Dense layer", "input")
    assert first == {(i // 3, i % 3): "abcdefghi"[i] for i in range(9)}
    assert dense_first == {(i // 6, i % 6): str(i + 1) for i in range(36)}
    # Another output: the same letters in another place, but other numbers everywhere.
    cell(page, "Dense layer", "outputs", 2, 3).hover()
    assert labels(page, "Convolution", "input") == {
        (r + 2, c + 3): letter for (r, c), letter in first.items()
    }
    assert set(labels(page, "Dense layer", "input").values()).isdisjoint(dense_first.values())
    assert sentence(page, "Convolution").startswith("Output (2, 3) is made of 9 pixels")
    assert sentence(page, "Dense layer").startswith("Output (2, 3) is made of all 36 pixels")


def test_hovering_a_pixel_shows_the_outputs_it_feeds(open_page):
    page = open_page(Connections())
    cell(page, "Convolution", "input", 2, 3).hover()
    fed = labels(page, "Convolution", "outputs")
    assert len(fed) == 9
    assert fed[0, 1] == "i"
    assert fed[2, 3] == "a"
    assert len(labels(page, "Dense layer", "outputs")) == 16
    assert labels(page, "Dense layer", "input") == {}
    assert sentence(page, "Convolution") == (
        "Pixel (2, 3) feeds 9 of the 16 outputs, through weights a to i."
    )


def test_keyboard(open_page):
    page = open_page(Connections())
    panel(page, "Convolution").locator(".cx-outputs [tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    assert sentence(page, "Dense layer").startswith("Output (2, 0) ")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    panel(page, "Dense layer").locator(".cx-input [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert sentence(page, "Convolution") == (
        "Pixel (0, 1) feeds 2 of the 16 outputs, through weights a and b."
    )
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.includes('Convolution: Pixel (0, 1)')"
    )


def test_there_is_a_wire_for_each_connection(open_page):
    page = open_page(Connections())

    def wires(title):
        return panel(page, title).locator(".cx-wires path").get_attribute("d").count("M")

    assert (wires("Dense layer"), wires("Convolution")) == (36, 9)
    cell(page, "Convolution", "input", 0, 0).hover()
    assert (wires("Dense layer"), wires("Convolution")) == (16, 1)


def test_a_row_of_the_matrix_is_an_output(open_page):
    page = open_page(Connections())
    matrix = panel(page, "Convolution").locator(".cx-matrix")
    box = matrix.bounding_box()
    matrix.hover(position={"x": box["width"] / 2, "y": box["height"] * 9.5 / 16})
    assert sentence(page, "Convolution").startswith("Output (2, 1) ")
    marker = panel(page, "Convolution").locator(".cx-marker").bounding_box()
    assert marker["width"] == pytest.approx(box["width"], abs=1)
    assert marker["y"] == pytest.approx(box["y"] + box["height"] * 9 / 16, abs=1)
    # The picture is the matrix: 36 × 16 dots, of which the convolution colours nine in each row.
    painted = matrix.locator("canvas").evaluate(
        """(canvas) => {
            const pen = canvas.getContext('2d');
            const dots = pen.getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = [...dots].filter((_, i) => i % 4 === 3 && dots[i] > 0).length;
            return [canvas.width, canvas.height, seen];
        }"""
    )
    assert painted == [36, 16, 144]


def check_counts(page):
    n, k, cin, cout = (
        int(slider(page, name).input_value())
        for name in ("image size", "kernel size", "channels in", "channels out")
    )
    expected = {"Dense layer": [], "Convolution": []}
    for size in (n, 28, 224):
        out = geometry.output_size(size, k)
        dense = cost.fc_params(size * size * cin, out * out * cout, bias=False)
        expected["Dense layer"].append(f"{dense:,}")
        expected["Convolution"].append(f"{cost.conv_params(cin, cout, k, bias=False):,}")
    for title, row in expected.items():
        cells = page.get_by_role("row", name=title).get_by_role("cell")
        assert cells.all_inner_texts() == row
        total = panel(page, title).locator(".cx-total").inner_text()
        assert total == f"{row[0]} weight{'' if row[0] == '1' else 's'}"
    return n, k, cin, cout


def test_sliders_at_their_extremes(open_page):
    page = open_page(Connections())
    names = ("image size", "kernel size", "channels in", "channels out")
    reached = set()
    for order in (names, names[::-1]):
        for key in ("End", "Home"):
            for name in order:
                slider(page, name).press(key)
                reached.add(check_counts(page))
    assert reached >= {(8, 5, 16, 16), (3, 1, 1, 1)}
    # The kernel can never be larger than the image.
    slider(page, "image size").press("Home")
    slider(page, "kernel size").press("End")
    assert slider(page, "kernel size").input_value() == "3"
    slider(page, "image size").press("ArrowRight")
    slider(page, "kernel size").press("End")
    assert check_counts(page)[:2] == (4, 4)
    slider(page, "image size").press("Home")
    assert check_counts(page)[:2] == (4, 4)


@pytest.mark.parametrize("width", [480, 1100])
@pytest.mark.parametrize(("n", "k"), [(3, 1), (6, 3), (8, 1), (8, 5)])
def test_it_fits_a_phone_and_a_wide_page(open_page, width, n, k):
    explorer = Connections(
        image_size=n, kernel_size=k, in_channels=16, out_channels=16, position=(0, 0)
    )
    page = open_page(explorer, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for title in ("Dense layer", "Convolution"):
        edge = panel(page, title).bounding_box()
        for kind in ("input", "outputs"):
            box = panel(page, title).locator(f".cx-{kind}").bounding_box()
            assert edge["x"] <= box["x"]
            assert box["x"] + box["width"] <= edge["x"] + edge["width"] + 1
    assert page.locator(".cx-cell").first.bounding_box()["width"] >= 16


@pytest.mark.parametrize("width", [480, 800, 1100])
@pytest.mark.parametrize(("n", "k"), [(4, 3), (6, 3), (8, 1), (8, 3)])
def test_a_label_is_large_enough_to_read_or_left_out(open_page, width, n, k):
    page = open_page(Connections(image_size=n, kernel_size=k, position=(1, 1)), width=width)
    shown = page.evaluate(
        """() => [...document.querySelectorAll('.cx-used .cx-number')]
            .filter((number) => number.offsetParent !== null)
            .map((number) => [
                parseFloat(getComputedStyle(number).fontSize),
                number.getBoundingClientRect().width,
                number.parentElement.getBoundingClientRect().width,
            ])"""
    )
    assert len(shown) >= k * k  # the convolution's letters always have room
    for size, text, room in shown:
        assert size >= 9
        assert text <= room
    dense = panel(page, "Dense layer").locator(".cx-input .cx-used")
    assert dense.first.get_attribute("aria-label").split(", ")[-1].startswith("weight ")
    if n <= 6 and width == 1100:
        assert dense.first.locator(".cx-number").is_visible()
