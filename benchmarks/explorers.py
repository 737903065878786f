"""How long the page takes to answer: a slider step, a drag step, a hover, without the kernel.

    python benchmarks/explorers.py [steps]

Each time runs from the event until the page is laid out again, in Chromium without a display.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from course_lib.explorers import (
    Channels,
    Connections,
    InsideCNN,
    Lineage,
    Pooling,
    ReceptiveField,
    SlidingKernel,
    Upsampling,
)
from course_lib.explorers.base import Explorer
from course_lib.explorers.sliding_kernel import ramp

AT_MOST = 16.0  # milliseconds: one frame of a display

# Every step draws at once, inside the event; reading a height makes the browser lay the page out.
TIMER = """
const time = (act) => {
    const start = performance.now();
    act();
    document.body.offsetHeight;
    return performance.now() - start;
};
"""
SLIDER = """([name, steps]) => {
    const slider = document.querySelector(`input[aria-label="${name}"]`);
    const [low, high] = [Number(slider.min), Number(slider.max)];
    return Array.from({ length: steps }, (_, i) => time(() => {
        slider.value = low + (i % (high - low + 1));
        slider.dispatchEvent(new Event("input"));
    }));
}"""
HOVER = """([grid, steps]) => {
    const cells = [...document.querySelectorAll(`.cx-${grid} .cx-cell`)];
    return Array.from({ length: steps }, (_, i) => time(() => {
        const cell = cells[(i * 7) % cells.length];
        cell.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    }));
}"""
CLICK = """([layer, steps]) => {
    const units = [...document.querySelectorAll(`.cx-unit[data-layer="${layer}"]`)];
    return Array.from({ length: steps }, (_, i) => time(() => {
        const unit = units[(i * 7) % units.length];
        unit.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    }));
}"""
CHOOSE = """([name, steps]) => {
    const things = [...document.querySelectorAll(`.cx-${name}`)];
    return Array.from({ length: steps }, (_, i) => time(() => {
        const thing = things[(i * 5) % things.length];
        thing.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    }));
}"""
DRAG = """([name, steps]) => {
    const grid = document.querySelector(`.cx-${name}`);
    grid.setPointerCapture = () => {}; // the pointer is not a real one
    const box = grid.getBoundingClientRect();
    const send = (type, i) => grid.dispatchEvent(new PointerEvent(type, {
        bubbles: true, button: 0, pointerId: 1,
        clientX: box.left + (i * 29) % box.width, clientY: box.top + (i * 17) % box.height,
    }));
    send("pointerdown", 0);
    const times = Array.from({ length: steps }, (_, i) => time(() => send("pointermove", i)));
    send("pointerup", 0);
    return times;
}"""

POINT = """([layer, steps]) => {
    const flow = document.querySelector(".cx-flow");
    const maps = [...document.querySelectorAll(`[data-layer="${layer}"]`)];
    return Array.from({ length: steps }, (_, i) => {
        const box = maps[i % maps.length].getBoundingClientRect();
        const [x, y] = [(i * 5) % box.width, (i * 3) % box.height];
        const at = { clientX: box.left + x, clientY: box.top + y };
        return time(() => flow.dispatchEvent(new PointerEvent("pointermove", at)));
    });
}"""

LARGEST = SlidingKernel(image=ramp(10), kernel=[[1] * 5] * 5, padding=4, filled=True)
LARGEST_POOLING = Pooling(image=ramp(10), kind="strided", stride=1)
LARGEST_STACK = ReceptiveField(image_size=64, layers=[(3, 1, 1)] * 8, unit=(8, 32))
LARGEST_BLOCK = Lineage(model="efficientnet_b0", stage=4, block=3, step=99)
LARGEST_CHANNELS = Channels(
    image=[[[(r * c + k) % 10 for c in range(8)] for r in range(8)] for k in range(3)],
    kernels=[[[[k - 1, 0, 1]] * 3] * 3 for k in range(4)],
)
LARGEST_UPSAMPLING = Upsampling(kernel_size=6, stride=3, show="values", weights="tent")
CASES: list[tuple[str, Explorer, str, str]] = [
    ("SlidingKernel, default: stride slider", SlidingKernel(), SLIDER, "stride"),
    ("SlidingKernel, default: image slider", SlidingKernel(), SLIDER, "image"),
    ("SlidingKernel, default: drag", SlidingKernel(), DRAG, "image"),
    ("SlidingKernel, default: hover a pixel", SlidingKernel(), HOVER, "image"),
    ("SlidingKernel, largest: stride slider", LARGEST, SLIDER, "stride"),
    ("SlidingKernel, largest: padding slider", LARGEST, SLIDER, "padding"),
    ("SlidingKernel, largest: drag", LARGEST, DRAG, "image"),
    ("SlidingKernel, largest: hover a pixel", LARGEST, HOVER, "image"),
    ("Pooling, default: shift slider", Pooling(), SLIDER, "shift to the right"),
    ("Pooling, default: hover an output", Pooling(), HOVER, "output"),
    ("Pooling, largest: shift slider", LARGEST_POOLING, SLIDER, "shift to the right"),
    ("Pooling, largest: hover a pixel", LARGEST_POOLING, HOVER, "image"),
    ("ReceptiveField, default: pixels slider", ReceptiveField(), SLIDER, "pixels"),
    ("ReceptiveField, default: click a unit", ReceptiveField(), CLICK, "4"),
    ("ReceptiveField, largest: pixels slider", LARGEST_STACK, SLIDER, "pixels"),
    ("ReceptiveField, largest: click a unit", LARGEST_STACK, CLICK, "8"),
    ("Channels, default: kernels slider", Channels(), SLIDER, "kernels, and so maps"),
    ("Channels, default: hover an output", Channels(), HOVER, "map"),
    ("Channels, largest: hover an output", LARGEST_CHANNELS, HOVER, "map"),
    ("Channels, largest: hover a pixel", LARGEST_CHANNELS, HOVER, "image"),
    ("InsideCNN, default: draw", InsideCNN(), DRAG, "pad"),
    ("InsideCNN, a unit of C5: draw", InsideCNN(layer="C5", position=(0, 0)), DRAG, "pad"),
    ("InsideCNN, a unit of F6: draw", InsideCNN(layer="F6", position=(0, 0)), DRAG, "pad"),
    ("InsideCNN, default: point at C1", InsideCNN(), POINT, "C1"),
    ("InsideCNN, default: point at C3", InsideCNN(), POINT, "C3"),
    ("InsideCNN, default: point at C5", InsideCNN(), POINT, "C5"),
    ("Lineage, default: choose a network", Lineage(), CHOOSE, "mark"),
    ("Lineage, default: choose a stage", Lineage(), CHOOSE, "stage-card"),
    ("Lineage, largest: step", LARGEST_BLOCK, CHOOSE, "buttons .cx-button:first-child"),
    ("Lineage, largest: hover a number", LARGEST_BLOCK, HOVER, "strip"),
    ("Upsampling, default: kernel slider", Upsampling(), SLIDER, "kernel"),
    ("Upsampling, default: hover an output", Upsampling(), HOVER, "output"),
    ("Upsampling, largest: kernel slider", LARGEST_UPSAMPLING, SLIDER, "kernel"),
    ("Upsampling, largest: hover an output", LARGEST_UPSAMPLING, HOVER, "output"),
    ("Connections, default: kernel slider", Connections(), SLIDER, "kernel size"),
    ("Connections, default: hover an output", Connections(), HOVER, "outputs"),
    ("Connections, largest: kernel slider", Connections(image_size=8), SLIDER, "kernel size"),
    ("Connections, largest: hover an output", Connections(image_size=8), HOVER, "outputs"),
]


def milliseconds(page: Page, script: str, name: str, steps: int) -> list[float]:
    """The times of `steps` steps; the first few, which compile the code, are left out."""
    times: list[float] = page.evaluate(
        f"(given) => {{ {TIMER} return ({script})(given); }}", [name, steps + 5]
    )
    return times[5:]


def main() -> int:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    slowest = 0.0
    print(f"{'milliseconds for one step':42} {'median':>7} {'95 %':>7} {'worst':>7}")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        file = Path(folder) / "explorer.html"
        for title, explorer, script, name in CASES:
            file.write_text(explorer.to_html(), encoding="utf-8")
            page.goto(file.as_uri())
            times = sorted(milliseconds(page, script, name, steps))
            median = statistics.median(times)
            slowest = max(slowest, median)
            print(f"{title:42} {median:7.1f} {times[int(len(times) * 0.95)]:7.1f} {times[-1]:7.1f}")
        browser.close()
    print(f"slowest median {slowest:.1f} ms (at most {AT_MOST:.0f})")
    return 0 if slowest <= AT_MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())
