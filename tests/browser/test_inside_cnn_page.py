"""InsideCNN on its self-contained page: drawing, held-back digits, the flow, the sum, keyboard."""

import itertools

import numpy as np
import pytest

from course_lib.explorers import InsideCNN
from course_lib.explorers.inside_cnn_network import LAYERS

SEVEN = [[(0.25, 0.2), (0.72, 0.2), (0.45, 0.82)], [(0.35, 0.5), (0.65, 0.5)]]
ONE = [[(0.5, 0.18), (0.5, 0.82)]]


def still(open_page, explorer):
    """The page for a reader who wants no motion: what a click shows is there at once."""
    return open_page(explorer, reduced_motion="reduce")


def draw(page, strokes):
    """Strokes of points (x, y), in a square of side 1, with the mouse."""
    box = page.locator(".cx-pad").bounding_box()
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            page.mouse.move(
                box["x"] + x * box["width"], box["y"] + y * box["height"], steps=1 + 7 * index
            )
            if index == 0:
                page.mouse.down()
        page.mouse.up()


def verdict(page):
    return page.locator(".cx-verdict").inner_text()


def shown(page):
    return page.locator(".cx-shown").inner_text()


def spot(page, layer, channel=0):
    return page.locator(f'[data-layer="{layer}"]').nth(channel)


def point(page, layer, channel, row, column):
    """The pointer to the middle of a pixel of a map."""
    box = spot(page, layer, channel).bounding_box()
    size = next(one.size for one in LAYERS if one.name == layer)
    page.mouse.move(
        box["x"] + (column + 0.5) * box["width"] / size,
        box["y"] + (row + 0.5) * box["height"] / size,
    )


def numbers(page, kind):
    rows = page.locator(f".cx-sum-{kind} .cx-row")
    texts = [rows.nth(i).locator(".cx-number").all_inner_texts() for i in range(rows.count())]
    return np.array([[float(text.replace("−", "-")) for text in row] for row in texts])


def steps(page):
    values = page.locator(".cx-steps dd").all_inner_texts()
    return dict(zip(page.locator(".cx-steps dt").all_inner_texts(), values, strict=True))


PIXELS = """(canvas, [x, y, w, h]) => {
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [w, h];
    const pen = copy.getContext('2d', {willReadFrequently: true});
    pen.drawImage(canvas, x, y, w, h, 0, 0, w, h);
    return [...pen.getImageData(0, 0, w, h).data];
}"""


def pixels(page, canvas, x, y, width, height):
    """A part of a canvas: (height, width, 4), 0 to 255."""
    found = page.locator(canvas).evaluate(PIXELS, [x, y, width, height])
    return np.array(found).reshape(height, width, 4)


def darkness(page, x, y):
    """How dark the drawing is at a place, 0 to 1; light theme."""
    side = page.locator(".cx-pad").bounding_box()["width"]
    return 1 - pixels(page, ".cx-pad", int(x * side), int(y * side), 1, 1)[0, 0, 0] / 255


def shares(page):
    texts = page.locator(".cx-percent").all_inner_texts()
    return [
        float(text.replace(" %", "").replace("<1", "0").replace(">99", "100")) for text in texts
    ]


def test_drawing_with_the_mouse(open_page):
    page = still(open_page, InsideCNN())
    assert verdict(page).startswith("The network says 3,")
    page.get_by_role("button", name="Clear").click()
    assert verdict(page) == "Nothing to see yet: draw a digit."
    assert darkness(page, 0.5, 0.2) < 0.5
    draw(page, SEVEN)
    assert darkness(page, 0.5, 0.2) > 0.5
    assert verdict(page).startswith("The network says 7,")
    assert shares(page)[7] > 60
    assert page.locator(".cx-winner .cx-class-name").inner_text() == "7"
    assert page.locator(".cx-thumb-button[aria-pressed=true]").count() == 0
    # The eraser takes ink away.
    page.get_by_role("button", name="Erase").click()
    draw(page, [[(0.3, 0.2), (0.7, 0.2)]])
    assert darkness(page, 0.5, 0.2) < 0.5


def test_what_is_drawn_small_and_off_the_middle_can_be_centred(open_page):
    page = still(open_page, InsideCNN())
    page.get_by_role("button", name="Clear").click()
    draw(page, [[(0.75 + 0.35 * (x - 0.5), 0.75 + 0.35 * (y - 0.5)) for x, y in ONE[0]]])
    assert darkness(page, 0.5, 0.5) < 0.5
    page.get_by_role("button", name="Centre").click()
    assert darkness(page, 0.5, 0.5) > 0.5
    assert verdict(page).startswith("The network says 1,")


def test_held_back_digits_and_mistakes(open_page):
    explorer = InsideCNN()
    page = still(open_page, explorer)
    button = page.get_by_role("button", name="a held-back 6")
    seen = []
    for _ in range(3):
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        seen.append(tuple(shares(page)))
        assert verdict(page).startswith("The network says 6,")
    sixes = [i for i, text in enumerate(explorer.digits) if text[0] == "6"][:3]
    for index, found in zip(sixes, seen, strict=True):
        expected = 100 * InsideCNN(digit=index).probabilities
        np.testing.assert_allclose(found, expected, atol=1.1)
    for index in explorer.mistakes[:2]:
        page.get_by_role("button", name="One of its 4 mistakes").click()
        assert verdict(page).endswith(f"Whoever wrote it meant {explorer.digits[index][0]}.")


def test_the_numbers_run_from_left_to_right(open_page):
    page = open_page(InsideCNN())
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # from here on, time goes by as the test says
    last = page.locator(".cx-percent").last
    assert last.inner_text() != ""
    page.get_by_role("button", name="Watch it flow").click()
    assert verdict(page) == "The numbers are on their way …"
    assert last.inner_text() == ""
    passed = []
    for _ in range(100):
        page.clock.run_for(50)
        now = page.locator(".cx-passing").all_inner_texts()
        passed += [name for name in now if name not in passed]
        if not now and passed:
            break
    assert verdict(page).startswith("The network says 3,")
    order = [name.split()[0] for name in passed]
    assert [name for name in order if name in ("F6", "C3", "C1")] == ["C1", "C3", "F6"]
    assert last.inner_text() != ""
    assert page.locator(".cx-passing").count() == 0
    page.clock.resume()
    # A drawing does not wait.
    page.get_by_role("button", name="a held-back 5").click()
    draw(page, [[(0.1, 0.1), (0.2, 0.1)]])
    assert verdict(page).startswith("The network ")


def test_the_sum_behind_a_unit(open_page):
    explorer = InsideCNN()
    page = still(open_page, explorer)
    assert shown(page).startswith("C3, map 9, row 4, column 6 = ")
    values = explorer.values
    np.testing.assert_allclose(numbers(page, "patch"), values["S2"][3, 4:9, 6:11], atol=0.0051)
    made = numbers(page, "patch") * numbers(page, "weights")
    np.testing.assert_allclose(numbers(page, "products"), made, atol=0.03)
    found = {what: float(text.replace("−", "-")) for what, text in steps(page).items()}
    assert found["ReLU lets it pass"] == pytest.approx(explorer.value, abs=0.0051)
    *terms, total, _ = found.values()
    assert sum(terms) == pytest.approx(total, abs=0.016)
    # Another map below, opened by its button.
    page.get_by_role("button", name="S2, map 5: adds").click()
    np.testing.assert_allclose(numbers(page, "patch"), values["S2"][5, 4:9, 6:11], atol=0.0051)
    # The product under the pointer, and its two factors.
    page.locator(".cx-sum-products .cx-cell").nth(7).hover()
    assert page.locator(".cx-workings .cx-linked").count() == 3
    assert page.locator(".cx-detail .cx-note").inner_text().startswith("Row 1, column 2: ")


def test_pointing_shows_a_unit_and_a_click_keeps_it(open_page):
    page = still(open_page, InsideCNN())
    start = shown(page)
    point(page, "C1", 2, 10, 12)
    assert shown(page).startswith("C1, map 2, row 10, column 12 = ")
    assert "rows 10 to 14, columns 12 to 16" in shown(page)
    page.mouse.move(5, 5)
    assert shown(page) == start
    point(page, "S4", 7, 3, 1)
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(5, 5)
    assert shown(page).startswith("S4, map 7, row 3, column 1 = ")
    assert numbers(page, "patch").shape == (2, 2)
    assert numbers(page, "patch").max() == pytest.approx(
        InsideCNN(layer="S4", channel=7, position=(3, 1)).value, abs=0.0051
    )
    box = page.locator('.cx-class[data-channel="8"]').bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + 10)
    assert shown(page).startswith("output 8 = ")
    assert page.locator(".cx-sum-products .cx-cell").count() == 84


def test_a_kernel_opens_its_own_part_of_the_sum(open_page):
    page = still(open_page, InsideCNN())
    box = page.locator(".cx-flow").bounding_box()
    place = page.evaluate("document.querySelector('.cx-flow').clientWidth")
    head = page.locator(".cx-head", has_text="16 × 6").bounding_box()
    assert place > 1000
    # Row 0 of the kernels, the middle of their column: between sources 2 and 3.
    y = spot(page, "C3", 0).bounding_box()["y"] + 10
    page.mouse.move(head["x"] + head["width"] / 2 + 8, y)
    assert shown(page).startswith("C3, map 0, row 4, column 6 = ")
    assert (
        page.locator(".cx-source[aria-pressed=true]")
        .get_attribute("aria-label")
        .startswith("S2, map 3: adds")
    )
    assert box["y"] < y


def test_by_keyboard(open_page):
    page = still(open_page, InsideCNN())
    start = spot(page, "C3", 9)
    assert start.get_attribute("tabindex") == "0"
    start.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert shown(page).startswith("C3, map 9, row 5, column 7 = ")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("PageDown")
    assert shown(page).startswith("C3, map 10, row 5, column 7 = ")
    page.keyboard.press("Tab")
    assert shown(page).startswith("S4, map 0, row 2, column 2 = ")
    page.keyboard.press("Tab")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert shown(page).startswith("C5, unit 7 = ")
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.startsWith('C5, unit 7 is ')"
    )
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("PageDown")
    assert shown(page).startswith("output 1 = ")


def test_drawing_by_keyboard(open_page):
    page = still(open_page, InsideCNN())
    page.locator(".cx-pad").focus()
    page.keyboard.press("Delete")
    assert verdict(page) == "Nothing to see yet: draw a digit."
    for _ in range(2):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Space")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    assert verdict(page).startswith("The network says 1,")
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.startsWith('The network says 1,')"
    )


def test_before_the_relu_there_are_two_colours(open_page):
    page = still(open_page, InsideCNN())

    def orange():
        flow, first = (
            page.locator(f"{name} >> nth=0").bounding_box() for name in (".cx-flow", ".cx-spot")
        )
        x, y = int(first["x"] - flow["x"]), int(first["y"] - flow["y"])
        red, _, blue, _ = np.moveaxis(pixels(page, ".cx-flow-picture", x, y, 84, 84), -1, 0)
        return int((red > blue + 40).sum())

    assert orange() == 0
    page.get_by_label("maps before their ReLU").check()
    assert orange() > 100


@pytest.mark.parametrize("width", [480, 700, 900, 1100])
@pytest.mark.parametrize(("layer", "channel"), [("C3", 9), ("S4", 3), ("C5", 17), ("F6", 40)])
def test_it_fits_a_phone_and_a_wide_page(open_page, width, layer, channel):
    position = (4, 4) if layer in ("C3", "S4") else (0, 0)
    page = open_page(InsideCNN(layer=layer, channel=channel, position=position), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [spot_.bounding_box() for spot_ in page.locator(".cx-spot, .cx-class, .cx-pad").all()]
    assert min(box["x"] for box in boxes) >= 0
    assert max(box["x"] + box["width"] for box in boxes) <= width
    heads = [head.bounding_box() for head in page.locator(".cx-head b").all()]
    for left, right in itertools.pairwise(heads):
        assert left["x"] + left["width"] <= right["x"] + 1
    tools = page.locator(".cx-tools .cx-button").last.bounding_box()
    legend = page.locator(".cx-legend").bounding_box()
    assert tools["y"] + tools["height"] <= legend["y"]


WITH_A_MODEL = """async () => {
    const text = [...document.querySelectorAll('script')].at(-1).textContent;
    const module = text.slice(0, text.indexOf('// Runs an explorer on a page of its own'));
    const address = URL.createObjectURL(new Blob([module], {type: 'text/javascript'}));
    const { default: explorer } = await import(address);
    const state = JSON.parse(document.getElementById('cx-state').textContent);
    const listeners = {};
    const model = {
        get: (name) => state[name],
        set: (name, value) => { state[name] = value; },
        on: (event, listener) => { listeners[event] = listener; },
        off() {},
        save_changes() {},
    };
    const host = document.createElement('div');
    document.body.replaceChildren(host);
    explorer.render({ model, el: host });
    const said = () => [
        host.querySelector('.cx-verdict').textContent, host.querySelector('.cx-shown').textContent,
    ];
    const seen = [];
    state.image = Array.from({ length: 32 }, () => Array(32).fill(0));
    state.digit = null;
    state.layer = 'F6';
    state.channel = 83;
    state.position = [0, 0];
    listeners['change:image']();
    seen.push(...said());
    host.querySelector('.cx-thumb-button').click();
    return [...seen, state.digit, state.image.flat().filter((value) => value === 1).length];
}"""


def test_a_cell_and_the_page_tell_each_other(open_page):
    explorer = InsideCNN()
    verdict_, shown_, digit, ink = open_page(explorer).evaluate(WITH_A_MODEL)
    assert verdict_ == "Nothing to see yet: draw a digit."
    assert shown_.startswith("F6, unit 83 = ")
    assert explorer.digits[digit][0] == "0"
    assert ink == (np.array(InsideCNN(digit=digit).image) == 1).sum()
