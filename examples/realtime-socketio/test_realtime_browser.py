"""The page in a browser, where there is one: Chromium, and the package playwright, which drives it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from realtime_serving import HERE, Serve, picture

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.skipif(not (HERE / "node_modules").is_dir(), reason=f"`npm install` was not run in {HERE}"),
]

#: The sum of what the canvas shows: 0 where nothing is drawn.
DRAWN = """() => {
  const canvas = document.getElementById('boxes');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((sum, value) => sum + value, 0);
}"""


def test_a_picture_and_the_camera(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "red.jpg").write_bytes(picture("red"))
    (tmp_path / "black.jpg").write_bytes(picture("black"))
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    wrong: list[str] = []
    with serve() as server, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on(
            "request", lambda request: wrong.append(request.url) if _is_elsewhere(request.url, server.url) else None
        )
        page.goto(server.url)

        def shows(place: str, words: str) -> None:
            page.wait_for_function(f"document.getElementById('{place}').textContent.includes('{words}')")

        shows("connection", "open")
        page.set_input_files("#file", tmp_path / "red.jpg")
        shows("found", "toothbrush 1")
        shows("time", "ms (cached)")
        assert page.evaluate(DRAWN) > 0
        page.set_input_files("#file", tmp_path / "black.jpg")
        shows("found", "nothing")
        assert page.evaluate(DRAWN) == 0
        looked = "Number(document.getElementById('counts').textContent.match(/(\\d+) looked at/)[1])"
        before = page.evaluate(looked)
        page.click("#camera")
        page.wait_for_function(f"{looked} > {before} + 5")
        assert page.evaluate("document.getElementById('video').videoWidth") > 0
        browser.close()
    assert wrong == []


def _is_elsewhere(url: str, server: str) -> bool:
    return not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))
