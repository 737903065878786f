"""Explorers in a real JupyterLab: shown live, dragged or typed to, read back from the kernel."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import ConsoleMessage, Page

from course_lib import explorers

SLIDING = [
    "from course_lib import explorers\nexplorer = explorers.SlidingKernel()\nexplorer",
    "print('state', explorer.position, explorer.stride, explorer.kernel[0])",
    "explorer.stride = 1\nexplorer.position = (2, 2)",
]
OTHERS = [name for name in explorers.__all__ if name != "SlidingKernel"]
CELLS = [
    *SLIDING,
    *(f"{name} = explorers.{name}()\n{name}" for name in OTHERS),
    f"import json\nprint(json.dumps([dict(one.state()) for one in ({', '.join(OTHERS)})]))",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """The address of a JupyterLab whose every file lies in the test's own folder."""
    tmp_path = tmp_path_factory.mktemp("lab")
    folders = {
        name: tmp_path / name.lower()
        for name in (
            "HOME",
            "IPYTHONDIR",
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
        )
    }
    root = tmp_path / "notebooks"
    for folder in (root, *folders.values()):
        folder.mkdir()
    write_settings(folders["JUPYTERLAB_SETTINGS_DIR"])
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    nbformat.write(notebook, root / "explorer.ipynb")
    token = secrets.token_hex(16)
    log = tmp_path / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                "--ServerApp.ip=127.0.0.1",
                "--ServerApp.port=0",
                f"--ServerApp.root_dir={root}",
                f"--IdentityProvider.token={token}",
                "--LabApp.extension_manager=readonly",
                "--LabApp.expose_app_in_browser=True",
            ],
            env={**os.environ, **{name: str(folder) for name, folder in folders.items()}},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        port = wait_for_port(folders["JUPYTER_RUNTIME_DIR"], server, log)
        yield f"http://127.0.0.1:{port}/lab/tree/explorer.ipynb?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def write_settings(folder: Path) -> None:
    """No news and no questions, which JupyterLab would put over the notebook."""
    for plugin, settings in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "docmanager-extension/plugin": {"autosave": False},
        # Every cell stays in the page, also those far above or below.
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        file = folder / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings), encoding="utf-8")


def wait_for_port(runtime: Path, server: subprocess.Popen[bytes], log: Path) -> int:
    """The port that the server took, from the file that it writes when it listens."""
    until = time.monotonic() + 180
    while time.monotonic() < until and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                return int(json.loads(file.read_text(encoding="utf-8"))["port"])
            except (ValueError, KeyError):
                pass  # half written
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')}")


KERNEL_IS_READY = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""


def run_cell(page, index):
    """Run one cell by hand, once the kernel is idle, and wait until it has its next number."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(index)
    prompt = cell.locator(".jp-InputPrompt")
    page.wait_for_function(KERNEL_IS_READY)
    before = prompt.inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        """([index, before]) => {
            const text = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[index]
                .querySelector('.jp-InputPrompt').textContent;
            return text !== before && /\\[\\d+\\]:/.test(text);
        }""",
        arg=[index, before],
    )
    return cell


def state_in_the_kernel(page):
    output = run_cell(page, 1).locator(".jp-OutputArea-output").last
    output.wait_for()
    return re.sub(r"\s+", " ", output.inner_text()).strip()


def complaint(message: ConsoleMessage) -> list[str]:
    """An error on the console, if it is one of the page's own and not of its connection."""
    network = ("WebSocket", "Failed to load resource")
    error = message.type == "error" and not any(word in message.text for word in network)
    return [message.text] if error else []


@pytest.fixture(scope="module")
def notebook(lab, browser) -> Iterator[Page]:
    """The notebook, open in JupyterLab; at the end nothing may have been raised in its page."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    context.set_default_timeout(180_000)  # a busy machine starts a kernel slowly
    page = context.new_page()
    raised: list[str] = []
    page.on("pageerror", lambda error: raised.append(str(error)))
    page.on("console", lambda message: raised.extend(complaint(message)))
    page.goto(lab)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    yield page
    context.close()
    assert raised == []


def test_a_drag_reaches_the_kernel_and_the_kernel_the_page(notebook):
    page = notebook
    explorer = run_cell(page, 0).locator(".cx-root")
    explorer.wait_for()
    assert page.locator("iframe").count() == 0  # the live widget, not its stand-in
    assert state_in_the_kernel(page) == "state [0, 0] 1 [1, 0, 1]"

    # Drag from the middle of the window two pixels to the right and one down.
    cell = explorer.locator(".cx-image .cx-cell")
    start, end = (cell.nth(i).bounding_box() for i in (1 * 5 + 1, 2 * 5 + 3))
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=6)
    page.mouse.up()
    assert explorer.locator(".cx-readout dt").first.inner_text() == "Output (1, 2)"
    assert state_in_the_kernel(page) == "state [1, 2] 1 [1, 0, 1]"

    # JupyterLab has shortcuts for single keys; inside the explorer the keys are its own.
    explorer.locator(".cx-kernel .cx-cell").first.click()
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    explorer.get_by_role("slider", name="stride").press("ArrowRight")
    page.wait_for_timeout(300)  # the page tells the kernel when the reader pauses
    assert state_in_the_kernel(page) == "state [1, 1] 2 [7, 3, 1]"
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS)

    # And the other way: a cell sets the state, the page shows it.
    run_cell(page, 2)
    page.get_by_text("Output (2, 2)", exact=True).wait_for()
    assert explorer.get_by_role("slider", name="stride").input_value() == "1"


def test_every_explorer_lives_in_the_notebook(notebook, actions):
    assert {*OTHERS, "SlidingKernel"} == set(actions)
    run_cell(notebook, 0)
    for place, name in enumerate(OTHERS, len(SLIDING)):
        root = run_cell(notebook, place).locator(".cx-root")
        root.wait_for()
        assert actions[name].shown not in root.inner_text()
        actions[name].act(root)
        root.get_by_text(actions[name].shown).first.wait_for()
    assert notebook.locator("iframe").count() == 0
    notebook.wait_for_timeout(300)  # the page tells the kernel when the reader pauses
    output = run_cell(notebook, len(CELLS) - 1).locator(".jp-OutputArea-output").last
    output.wait_for()
    states = dict(zip(OTHERS, json.loads(output.inner_text()), strict=True))
    for name, state in states.items():
        expected = actions[name].state
        assert {trait: state[trait] for trait in expected} == expected
    assert notebook.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS)
