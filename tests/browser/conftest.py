"""A browser without a network, a page in it for each explorer, and something to do on each."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from course_lib.explorers.base import Explorer

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Action(NamedTuple):
    """Something a reader does to an explorer, and what comes of it."""

    act: Callable[[Locator], None]
    """Given the explorer's outermost element."""
    shown: str
    """Words that it shows afterwards, and not before."""
    state: dict[str, Any]
    """What its traits hold afterwards, other than before."""


ACTIONS = {
    "Channels": Action(
        lambda root: root.locator('.cx-map [data-r="0"][data-c="2"]').first.click(),
        "Map 0 (0, 2)",
        {"position": [0, 2]},
    ),
    "Connections": Action(
        lambda root: root.locator('.cx-input [data-r="0"][data-c="0"]').first.hover(),
        "feeds 1 of the 16 outputs",
        {"side": "input", "position": [0, 0]},
    ),
    "InsideCNN": Action(
        lambda root: root.get_by_role("button", name="Clear", exact=True).press("Enter"),
        "Nothing to see yet: draw a digit.",
        {"digit": None},
    ),
    "Lineage": Action(
        lambda root: root.locator(".cx-mark[tabindex='0']").press("ArrowRight"),
        "DenseNet-121 2016, Huang et al.",
        {"model": "densenet121"},
    ),
    "Playground": Action(
        lambda root: root.get_by_role("slider", name="stride").press("ArrowRight"),
        "kernel_size=3, stride=2)",
        {"stride": 2},
    ),
    "Pooling": Action(
        lambda root: root.get_by_role("button", name="Average pooling").press("Enter"),
        "It is shared evenly",
        {"kind": "average"},
    ),
    "ReceptiveField": Action(
        lambda root: root.locator(".cx-stack [tabindex='0']").press("ArrowLeft"),
        "Unit 2 of layer 4 sees",
        {"unit": [4, 2]},
    ),
    "SlidingKernel": Action(
        lambda root: root.locator('.cx-output [data-r="1"][data-c="2"]').hover(),
        "Output (1, 2)",
        {"position": [1, 2]},
    ),
    "Upsampling": Action(
        lambda root: root.get_by_role("button", name="Back", exact=True).press("Enter"),
        "24 of 25 stamps landed",
        {"landed": 24},
    ),
}


@pytest.fixture
def actions() -> dict[str, Action]:
    """For each explorer, as its class makes it, one thing to do to it."""
    return ACTIONS


def chromium_path() -> str:
    """The system's Chromium: the environment variable CHROMIUM, or the first one on PATH."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail("Chromium is needed: apt-get install chromium, or set CHROMIUM to its path")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # A container's root cannot have Chromium's own sandbox; the pages are ours.
        chromium = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


class Complaints(list[str]):
    """What a page wrote to its console as an error or warning, and what it raised."""

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.append(f"raised: {error}"))
        page.on(
            "console",
            lambda message: (
                self.append(f"{message.type}: {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )


@pytest.fixture
def open_page(browser, tmp_path) -> Iterator[Callable[..., Page]]:
    """`open_page(explorer)`: its self-contained page (or a text of HTML), from a file, offline.

    The test fails at its end if a page complained or asked for anything but its own file.
    """
    complaints = Complaints()
    contexts = []

    def open_(shown: Explorer | str, width: int = 1100, height: int = 900, **options: Any) -> Page:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(shown if isinstance(shown, str) else shown.to_html(), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_offline(True)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        complaints.listen(page)
        page.on(
            "request",
            lambda request: (
                complaints.append(f"asked for {request.url}")
                if not request.url.startswith(("file:", "about:", "data:", "blob:"))
                else None
            ),
        )
        page.goto(file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
