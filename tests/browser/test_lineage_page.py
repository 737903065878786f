"""Lineage on its self-contained page: timeline, stages, blocks, small numbers, keyboard, words."""

import pytest

from course_lib.explorers import Lineage
from course_lib.explorers.lineage import NAMES, networks


def chosen(page, kind):
    """Which ones of a group are chosen, by place."""
    states = page.locator(f".cx-{kind}").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-checked'))"
    )
    return [place for place, state in enumerate(states) if state == "true"]


def strips(page):
    """The small numbers of every step, "" where they are not yet known."""
    return [
        [row.locator(".cx-number").all_inner_texts() for row in strip.locator(".cx-row").all()]
        for strip in page.locator(".cx-strip").all()
    ]


def readout(page, term):
    return (
        page.locator(".cx-readout dt", has_text=term)
        .locator("xpath=following-sibling::dd[1]")
        .inner_text()
    )


def check_against_the_data(page, explorer):
    network = explorer.network
    assert page.locator(".cx-title").first.inner_text().startswith(network["label"])
    assert chosen(page, "mark") == [NAMES.index(explorer.model)]
    assert chosen(page, "stage-card") == [explorer.stage]
    cards = page.locator(".cx-stage-card")
    assert cards.count() == len(network["stages"])
    for card, stage in zip(cards.all(), network["stages"], strict=True):
        assert stage["name"] in card.inner_text()
        assert f"{stage['shape'][0]:,}" in card.inner_text()
    assert page.locator(".cx-chip").count() == len(explorer.facts["blocks"])
    assert chosen(page, "chip") == [explorer.block]
    names = page.locator(".cx-step-words b").all_inner_texts()
    assert names == [step["name"] for step in explorer.steps]


def test_the_timeline_by_keyboard(open_page):
    page = open_page(Lineage())
    check_against_the_data(page, Lineage())
    page.locator(".cx-mark[tabindex='0']").focus()
    for key, model in (
        ("ArrowRight", "densenet121"),
        ("Home", "lenet5"),
        ("ArrowLeft", "lenet5"),
        ("End", "convnext_tiny"),
        ("ArrowUp", "swin_t"),
    ):
        page.keyboard.press(key)
        assert page.locator(".cx-title").first.inner_text().startswith(networks()[model]["label"])
    # It stays in the stage where it was, while the network has that stage and block.
    assert chosen(page, "stage-card") == [2]
    check_against_the_data(page, Lineage(model="swin_t", stage=2, block=0))
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.locator(".cx-mark[tabindex='0']").count() == 1


def test_stages_and_blocks_by_pointer_and_keyboard(open_page):
    page = open_page(Lineage())
    page.locator(".cx-mark text", has_text="VGG-16").click()
    page.locator(".cx-stage-card", has_text="head").click()
    check_against_the_data(page, Lineage(model="vgg16", stage=5, block=0))
    assert "89 % of all" in page.locator(".cx-sentence").last.inner_text()
    page.locator(".cx-mark text", has_text="DenseNet").click()
    page.locator(".cx-stage-card[tabindex='0']").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    check_against_the_data(page, Lineage(model="densenet121", stage=3, block=1))
    page.locator(".cx-chip[tabindex='0']").focus()
    page.keyboard.press("End")
    check_against_the_data(page, Lineage(model="densenet121", stage=3, block=24))
    assert page.evaluate("document.activeElement.className") == "cx-chip"


def test_the_timelines_height(open_page):
    page = open_page(Lineage())
    mark = page.locator(".cx-mark", has_text="ViT-B/16")
    assert mark.get_attribute("aria-label") == "ViT-B/16, 2020: 86.6 M parameters"
    before = mark.locator("path").bounding_box()["y"]
    page.get_by_label("Height", exact=True).select_option("depth")
    assert mark.get_attribute("aria-label") == "ViT-B/16, 2020: 50 layers one behind the other"
    assert mark.locator("path").bounding_box()["y"] != before


def test_numbers_flow_step_by_step(open_page):
    page = open_page(Lineage())
    step = page.get_by_role("button", name="Step", exact=True)
    x = [["1", "2", "0", "3"], ["2", "0", "1", "1"], ["0", "1", "3", "0"]]
    numbers = strips(page)
    assert numbers[0] == numbers[-2] == x  # what comes in, and what goes by as it is
    assert {text for strip in numbers[1:4] for row in strip for text in row} == {""}
    for taken in (1, 2, 3):
        step.click()
        now = page.locator(".cx-step-card.cx-now b").inner_text()
        assert now == Lineage().steps[taken]["name"]
        assert "" not in strips(page)[taken][0]
    assert strips(page)[-1][0] == [""] * 4
    step.click()
    f, passed, out = strips(page)[-3:]
    as_numbers = [
        [[float(text.replace("−", "-")) for text in row] for row in rows]
        for rows in (f, passed, out)
    ]
    for f_row, x_row, out_row in zip(*as_numbers, strict=True):
        assert out_row == [max(a + b, 0) for a, b in zip(f_row, x_row, strict=True)]
    page.locator(".cx-strip").last.locator('[data-r="1"][data-c="3"]').hover()
    total, _, parts = readout(page, "Number").partition(": ")
    assert total == "channel 1, place 3"
    assert parts == f"F {f[1][3]} + x 1 = {out[1][3]}, after ReLU {out[1][3]}."


def test_weights_of_zero(open_page):
    page = open_page(Lineage(step=99))
    page.get_by_role("checkbox", name="all weights 0").check()
    first, *_, last = strips(page)
    assert first == last
    assert readout(page, "Weights 0").endswith("doing nothing is easy.")
    # The same of a plain network: the next block is shown whole, as this one was.
    page.locator(".cx-mark text", has_text="VGG-16").click()
    assert {text for row in strips(page)[-1] for text in row} == {"0"}
    assert "nothing is left of x" in readout(page, "Weights 0")


def test_play_and_stop(open_page):
    page = open_page(Lineage())
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # from here on, time goes by as the test says
    play = page.get_by_role("button", name="Play", exact=True)
    play.click()
    page.clock.run_for(2500)
    assert readout(page, "Step").startswith("2 of 4, 3×3 convolution")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.clock.run_for(5000)
    assert readout(page, "Step").startswith("2 of 4")
    play.click()
    page.clock.run_for(9000)
    assert readout(page, "Step").startswith("4 of 4, F(x) + x")
    assert play.is_visible()
    page.get_by_role("button", name="Clear").click()
    assert readout(page, "Step").startswith("0 of 4")


def test_it_speaks(open_page):
    page = open_page(Lineage())
    page.get_by_role("button", name="Show all").press("Enter")
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.startsWith('F(x) + x: channel 0')"
    )


@pytest.mark.parametrize("width", [480, 700, 1100])
@pytest.mark.parametrize(
    "state",
    [
        {"model": "googlenet", "stage": 1, "step": 99},
        {"model": "efficientnet_b0", "stage": 4, "step": 99, "measure": "macs"},
        {"model": "densenet121", "stage": 3, "measure": "depth"},
        {"model": "vit_b_16", "stage": 1, "step": 99},
    ],
)
def test_it_fits_a_phone_and_a_wide_page(open_page, width, state):
    page = open_page(Lineage(**state), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    parts = page.locator(".cx-step-card, .cx-strip, .cx-stage-card, .cx-mark text").all()
    for box in (part.bounding_box() for part in parts):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    # No card lies on another one.
    boxes = [card.bounding_box() for card in page.locator(".cx-step-card").all()]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
            down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
            assert across <= 0 or down <= 0
    cut = page.locator(".cx-stage-card span").evaluate_all(
        "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth)"
        ".map((one) => one.textContent)"
    )
    assert cut == [] or width == 480
