"""What holds for every explorer's page: its colours, its silence, its cleaning up."""

import re

import numpy as np
import pytest

from course_lib.explorers import (
    Channels,
    Connections,
    InsideCNN,
    Lineage,
    Playground,
    Pooling,
    ReceptiveField,
    SlidingKernel,
    Upsampling,
)

SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
NUMBERED = [  # explorers with cells that hold numbers
    Channels(),
    Connections(),
    InsideCNN(),
    Lineage(step=99),
    Pooling(kind="average", shift=1),
    SlidingKernel(filled=True, kernel=SOBEL),
    Upsampling(landed=20, padding=1),
]
EXPLORERS = [*NUMBERED, Playground(), ReceptiveField()]

COLOURS = """() => {
    const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgb = (colour) => {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const read = (node) => {
        const style = getComputedStyle(node);
        return [rgb(style.backgroundColor), rgb(style.color)];
    };
    return [...document.querySelectorAll('.cx-root, .cx-cell:not(.cx-colour)')].map(read);
}"""

CLEAN_UP = """async () => {
    const text = [...document.querySelectorAll('script')].at(-1).textContent;
    const module = text.slice(0, text.indexOf('// Runs an explorer on a page of its own'));
    const address = URL.createObjectURL(new Blob([module], {type: 'text/javascript'}));
    const { default: explorer } = await import(address);
    const state = JSON.parse(document.getElementById('cx-state').textContent);
    const listeners = [];
    const model = {
        get: (name) => state[name],
        set: (name, value) => { state[name] = value; },
        on: (name, f) => listeners.push([name, f]),
        off: (name, f) =>
            listeners.splice(listeners.findIndex(([n, g]) => n === name && g === f), 1),
        save_changes() {},
    };
    const host = document.body.appendChild(document.createElement('div'));
    const stop = explorer.render({ model, el: host });
    const during = [listeners.length > 0, host.children.length];
    stop();
    return [...during, listeners.length, host.children.length];
}"""


def luminance(rgb):
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    channels = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("explorer", NUMBERED, ids=lambda explorer: type(explorer).__name__)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_are_easy_to_read_on_every_colour(open_page, explorer, scheme):
    page = open_page(explorer, color_scheme=scheme)
    pairs = np.array(page.evaluate(COLOURS)) / 255
    paper = luminance(pairs[0][0])
    assert paper > 0.9 if scheme == "light" else paper < 0.05
    assert len({tuple(background) for background, _ in pairs}) >= 5
    for background, ink in pairs:
        low, high = sorted((luminance(background), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5  # the guidelines' level AA


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda explorer: type(explorer).__name__)
def test_a_screen_reader_hears_changes_only(open_page, explorer):
    page = open_page(explorer)
    page.wait_for_timeout(400)
    spoken = page.get_by_role("status")
    assert spoken.text_content() == ""
    buttons = {"ReceptiveField": "Remove the last", "Lineage": "Step", "InsideCNN": "Clear"}
    if (name := type(explorer).__name__) in buttons:
        page.get_by_role("button", name=buttons[name], exact=True).press("Enter")
    else:
        page.get_by_role("slider", name="kernel").press("ArrowLeft")
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert re.search("[Oo]utput|Unit|Map 0 of 1|channel 0|draw a digit", spoken.text_content())


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda explorer: type(explorer).__name__)
def test_cleaning_up_leaves_nothing_behind(open_page, explorer):
    assert open_page(explorer).evaluate(CLEAN_UP) == [True, 1, 0, 0]
