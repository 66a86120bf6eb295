"""The pages as a person uses them, in the system's Chromium; skipped where it is not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.bundled import examples
from tests.service.api.server import LONG_S, running

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture(scope="module")
def url(minerals: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("browser")
    with running(minerals, folder, search_timeout_s=LONG_S) as server:
        yield str(server.client.base_url).rstrip("/")


@pytest.fixture
def page(url: str) -> Iterator[Any]:
    """A page of a narrow window; whatever its script or its policy complains about is an error."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 360, "height": 740}, base_url=url)
        context.set_default_timeout(1e3 * LONG_S)
        one = context.new_page()
        complaints: list[str] = []
        one.on("pageerror", lambda error: complaints.append(str(error)))
        one.on("console", lambda said: complaints.append(said.text))
        one.on("request", lambda asked: complaints.append(asked.url))
        yield one
        own = (f"{url}/", f"blob:{url}/", "Failed to load resource: the server responded with a ")
        assert [said for said in complaints if not said.startswith(own)] == []
        browser.close()


def is_as_wide_as_the_window(page: Any) -> bool:
    return int(page.evaluate("document.documentElement.scrollWidth")) <= 360


def test_a_measured_pattern_is_looked_up(page: Any) -> None:
    page.goto("/")
    page.set_input_files("#file", examples()["PbSO4"].path)
    page.wait_for_selector("#curve svg")
    assert "does not say which wavelength" in page.inner_text("#file-warnings")
    page.select_option("#wavelength", "CuKa")
    page.wait_for_selector("text=as you say")

    page.focus(".element[tabindex='0']")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.symbol") == "Li"
    barium = page.locator("[data-symbol=Ba]")
    for _ in range(3):
        barium.click()
    assert "must not be there" in barium.get_attribute("aria-label")
    page.click("[data-symbol=Pb]")
    said = "Pb must be there. Ba must not be there. Any other element may be there."
    assert page.inner_text("#said") == said

    page.click("#ask")
    page.wait_for_selector("#answer .hits tbody tr")
    first = page.inner_text("#answer .hits tbody tr >> nth=0")
    assert "PbSO4" in first.replace("\n", "")
    assert "Barite" not in page.inner_text("#answer")
    assert page.locator("#answer .calculated").count() >= 1
    assert is_as_wide_as_the_window(page)

    page.click("#answer [data-cell] >> nth=0")
    canvas = page.wait_for_selector("dialog[open] canvas")
    before = canvas.screenshot()
    page.keyboard.press("ArrowRight")
    assert canvas.screenshot() != before
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0

    with page.expect_download() as kept:
        page.click("#hand-over")
    assert kept.value.suggested_filename == "pbso4.zip"


def test_the_library_is_searched(page: Any) -> None:
    page.goto("/library")
    page.wait_for_selector("#rows tr")
    page.fill("[name=require]", "Ti")
    page.keyboard.press("Enter")
    page.locator("#rows", has_text="Pb").wait_for(state="detached")
    assert "TiO2" in page.inner_text("#rows").replace("\n", "")
    assert is_as_wide_as_the_window(page)
    page.fill("[name=require]", "Xx")
    page.keyboard.press("Enter")
    page.wait_for_selector("#problem:not([hidden])")
    assert "'Xx' is not a chemical element" in page.inner_text("#problem")
