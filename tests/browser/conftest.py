"""A browser without a network, and a page in it for each explorer."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from course_lib.explorers.base import Explorer

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


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
