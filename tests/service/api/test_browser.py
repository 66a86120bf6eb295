"""The pages as a person uses them, in the system's Chromium; skipped where it is not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from data.bundled import bundled_records, examples
from data.cif import write_cif
from generator.solver import ENGINES
from tests.service.api.server import LONG_S, Server, running, wait_for

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
LOOKS = [("light", PHONE), ("light", DESK), ("dark", PHONE), ("dark", DESK)]
ADDED = "Cassiterite"


@pytest.fixture(scope="module")
def library(minerals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that tests add to."""
    path = tmp_path_factory.mktemp("libraries") / "minerals"
    shutil.copytree(minerals, path)
    return path


@pytest.fixture(scope="module")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("browser")
    with running(library, folder, search_timeout_s=LONG_S) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """A page of a narrow window; whatever its script or its policy complains about is an error."""
    url = str(server.client.base_url).rstrip("/")
    context = browser.new_context(viewport=PHONE, base_url=url)
    context.set_default_timeout(1e3 * LONG_S)
    one = context.new_page()
    complaints: list[str] = []
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.on("console", lambda said: complaints.append(said.text))
    one.on("request", lambda asked: complaints.append(asked.url))
    yield one
    own = (
        f"{url}/",
        f"blob:{url}/",
        "about:srcdoc",
        "Failed to load resource: the server responded with a ",
    )
    assert [said for said in complaints if not said.startswith(own)] == []
    context.close()


@pytest.fixture(scope="module")
def mixture(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pattern of rutile and galena, one as strong as the other."""
    parts = []
    for text in ("Rutile", "Galena"):
        found = server.client.get("/v1/entries", params={"text": text, "limit": 1}).json()
        (entry,) = found["entries"]
        pattern = server.client.get(f"/v1/entries/{entry['id']}.xy").text
        parts.append(np.loadtxt(pattern.splitlines()))
    (x, first), (_, second) = parts[0].T, parts[1].T
    counts = np.random.default_rng(0).poisson(first + second + 100)
    path = tmp_path_factory.mktemp("mixture") / "mixture.xy"
    np.savetxt(path, np.c_[x, counts])
    return path


def is_as_wide_as_the_window(page: Any) -> bool:
    inner = "document.documentElement.scrollWidth <= window.innerWidth"
    return bool(page.evaluate(inner))


def text_of(page: Any, selector: str) -> str:
    """Text without line breaks, so that formulas can be sought in it."""
    return str(page.inner_text(selector)).replace("\n", "")


def serious(page: Any, looks: Sequence[tuple[str, dict[str, int]]]) -> list[str]:
    """What axe finds that keeps people out, as the page looks in each way."""
    found = []
    for scheme, size in looks:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(size)
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in {"serious", "critical"}:
                where = [node["target"] for node in one["nodes"][:5]]
                found.append(f"{scheme} {size['width']}: {one['id']} at {where}")
    return found


def test_a_measured_pattern_is_looked_up(page: Any) -> None:
    page.goto("/")
    page.set_input_files("#file", examples()["PbSO4"].path)
    page.wait_for_selector("#curve svg")
    assert "does not say which wavelength" in page.inner_text("#file-warnings")
    page.select_option("#wavelength", "CuKa")
    page.wait_for_selector("text=as you say")
    page.click("#ask")
    page.wait_for_selector("#answer .hits tbody tr")
    assert "PbSO4" in text_of(page, "#answer .hits tbody tr >> nth=0")
    assert "The pattern is that of Anglesite" in page.inner_text("#answer .verdict")
    assert page.evaluate("document.activeElement.id") == "result"
    for drawn in (".calculated", ".ticks", ".difference"):
        assert page.locator(f"#answer {drawn}").first.get_attribute("d")
    assert serious(page, LOOKS) == []

    # The element that its first phase is made of, taken away, changes the answer.
    page.focus(".element[tabindex='0']")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.symbol") == "Li"
    lead = page.locator("[data-symbol=Pb]")
    for _ in range(3):
        lead.click()
    assert "must not be there" in lead.get_attribute("aria-label")
    page.click("[data-symbol=S]")
    said = "S must be there. Pb must not be there. Any other element may be there."
    assert page.inner_text("#said") == said
    page.click("#ask")
    page.locator("#answer .hits", has_text="Anglesite").wait_for(state="detached")
    assert "SO4" in text_of(page, "#answer .hits tbody tr >> nth=0")
    assert is_as_wide_as_the_window(page)

    page.click("#answer [data-cell] >> nth=0")
    canvas = page.wait_for_selector("dialog[open] canvas")
    before = canvas.screenshot()
    page.keyboard.press("ArrowRight")
    assert canvas.screenshot() != before
    assert serious(page, LOOKS[2:3]) == []
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0

    with page.expect_download() as kept:
        page.click("#hand-over")
    assert kept.value.suggested_filename == "pbso4.zip"


def test_a_plot_is_zoomed_with_keys_and_with_the_mouse(page: Any) -> None:
    page.set_viewport_size(DESK)
    page.goto("/")
    page.click("[data-example=PbSO4]")
    curve = page.locator("#curve .measured")
    curve.wait_for()

    def changed_by(act: Any) -> None:
        before = curve.get_attribute("d")
        act()
        wait_for(lambda: curve.get_attribute("d") != before)

    page.focus("#curve .stage")
    for key in ("+", "+", "ArrowRight", "-", "0"):
        changed_by(lambda key=key: page.keyboard.press(key))
    box = page.locator("#curve .stage").bounding_box()

    def drag() -> None:
        page.mouse.move(box["x"] + 150, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 250, box["y"] + 120, steps=3)
        page.mouse.up()

    changed_by(drag)
    changed_by(lambda: page.click("#curve button:has-text('All')"))


def test_everything_is_reached_by_the_tabulator_and_is_seen_to_be(page: Any) -> None:
    page.goto("/")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                  const one = document.activeElement, style = getComputedStyle(one);
                  const drop = one.id === "file" && getComputedStyle(one.closest("label"));
                  return [one.id || one.dataset.symbol || one.textContent.trim(),
                          (drop || style).outlineStyle];
                }"""
            )
        )
    names = [name for name, _ in seen]
    order = ["To the content", "Look up", "Library", "file", "wavelength", "phases", "top", "H"]
    assert [one for one in names if one in order] == order
    assert [name for name, outline in seen if outline == "none"] == []


def test_a_mixture_is_weighed(page: Any, mixture: Path) -> None:
    page.goto("/")
    page.set_input_files("#file", mixture)
    page.wait_for_selector("#curve svg")
    page.select_option("#wavelength", "CuKa")
    page.fill("#phases", "2")
    page.click("#ask")
    page.wait_for_selector("#answer .mixture tbody tr")
    first = page.locator("#answer .mixture >> nth=0").locator("tbody tr")
    assert first.count() == 2
    said = " ".join(first.all_inner_texts())
    assert "Rutile" in said
    assert "Galena" in said
    weights = [
        float(one.split("%")[0]) for one in first.locator("[data-label=Weight]").all_inner_texts()
    ]
    assert sum(weights) == pytest.approx(100, abs=0.2)
    assert serious(page, LOOKS[1:3]) == []


def test_several_patterns_are_answered_one_by_one(page: Any, mixture: Path, tmp_path: Path) -> None:
    bad = tmp_path / "photograph.xy"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    page.goto("/")
    page.set_input_files("#file", [examples()["PbSO4"].path, bad, mixture])
    assert page.inner_text("#ask") == "Look up 3 patterns"
    page.select_option("#wavelength", "CuKa")
    page.click("#ask")
    page.wait_for_selector("text=3 of 3 answered.")
    rows = page.locator("#batch-rows tr")
    assert "Anglesite" in rows.nth(0).inner_text()
    assert "Not looked up" in rows.nth(1).inner_text()
    assert rows.nth(1).locator("button").count() == 0
    assert serious(page, LOOKS[1:3]) == []
    rows.nth(0).locator("button").click()
    page.wait_for_selector("#answer .hits tbody tr")
    assert "pbso4.dat" in page.inner_text("#answer h2")
    assert is_as_wide_as_the_window(page)


def test_candidates_appear_while_more_are_made_and_a_run_is_cancelled(page: Any) -> None:
    page.goto("/")
    page.click("[data-example=PbSO4]")
    page.wait_for_selector("#curve svg")
    page.evaluate(
        """() => {
          const said = document.querySelector("#generate-said");
          window.heard = [];
          new MutationObserver(() => heard.push(
            `${said.textContent} ${document.querySelectorAll("#proposals canvas").length}`
          )).observe(said, { childList: true });
        }"""
    )
    page.fill("#formula", "PbSO4")
    page.fill("#samples", "2")
    page.click("#propose button")
    page.wait_for_selector("text=proposed.")
    heard = [one for one in page.evaluate("heard") if "so far, not yet refined." in one]
    assert heard
    assert int(heard[0].split()[-1]) >= 1
    assert page.evaluate("document.activeElement.id") == "proposals"
    with page.expect_download() as kept:
        page.click("text=CIF of proposal 1")
    assert Path(kept.value.path()).read_text("utf-8").startswith("data_01-PbSO4")
    assert serious(page, LOOKS[1:3]) == []

    page.click("#propose button")
    page.click("#generate-job button")
    page.wait_for_selector("text=Cancelled.")
    page.fill("#formula", "Zz2O")
    page.click("#propose button")
    page.wait_for_selector("#generate-problem:not([hidden])")
    assert "Zz" in page.inner_text("#generate-problem")


def test_structures_are_proposed_for_a_formula_without_a_pattern(page: Any) -> None:
    page.goto("/")
    assert "composition alone" in page.inner_text("#proposed-for")
    page.fill("#formula", "CaSO4")
    page.fill("#samples", "2")
    page.click("#propose button")
    page.wait_for_selector("text=proposed.")
    assert page.locator("#proposals .proposal").count() in (1, 2)
    assert "r = " not in page.inner_text("#proposals")
    page.click("[data-example=PbSO4]")
    page.wait_for_selector("#curve svg")
    assert page.inner_text("#proposed-for").startswith("They will be for ")


def test_what_else_is_known_of_a_sample_is_said_on_the_page(page: Any) -> None:
    page.goto("/")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.post_data or ""))
    page.click(".more summary")
    assert serious(page, LOOKS) == []
    assert is_as_wide_as_the_window(page)
    names = page.locator("[name=engines]").evaluate_all("all => all.map(one => one.value)")
    assert names == list(ENGINES)
    page.click("#propose button")
    page.wait_for_selector("#generate-problem:not([hidden])")
    assert "give its formula" in page.inner_text("#generate-problem")
    page.fill("#formula", "Mg, O")
    page.fill("[name=space_group]", "Fm-3m")
    page.check("[name=engines][value=substitution]")
    page.click("#propose button")
    page.wait_for_selector("text=elements go with pointcloud alone")
    page.uncheck("[name=engines][value=substitution]")
    page.fill("#samples", "1")
    page.click("#propose button")
    page.wait_for_selector("#generate-job button")
    page.click("#generate-job button")
    page.wait_for_selector("text=/proposed|Cancelled/")
    said = "".join(asked)
    for name, value in (("elements", "Mg, O"), ("engines", "pointcloud"), ("space_group", "Fm-3m")):
        assert f'name="{name}"\r\n\r\n{value}\r\n' in said
    assert 'name="formula"' not in said


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("empty.xy", b"", "empty"),
        ("photograph.xy", b"\x89PNG\r\n\x1a\n\x00\x00\x00", "photograph.xy"),
        ("crystal.cif", b"data_x\n_cell_length_a 4\n", "crystal.cif"),
    ],
)
def test_what_is_no_pattern_is_said_so(page: Any, name: str, content: bytes, said: str) -> None:
    page.goto("/")
    page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": content})
    page.wait_for_selector("#problem:not([hidden])")
    assert said in page.inner_text("#problem")
    assert page.is_disabled("#ask")
    assert page.is_hidden("#curve")


def test_a_wavelength_that_is_none_is_said_beside_the_file(page: Any) -> None:
    page.goto("/")
    page.click("[data-example=PbSO4]")
    page.wait_for_selector("#curve svg")
    page.select_option("#wavelength", "other")
    page.fill("#other", "abc")
    page.keyboard.press("Tab")
    page.wait_for_selector("#problem:not([hidden])")
    assert "abc" in page.inner_text("#problem")
    page.fill("#other", "1.5406")
    page.keyboard.press("Tab")
    page.wait_for_selector("text=as you say")
    assert page.is_hidden("#problem")


def test_the_library_is_seen_searched_drawn_and_added_to(page: Any, tmp_path: Path) -> None:
    page.goto("/library")
    page.wait_for_selector("#rows tr")
    glance = page.inner_text("#glance")
    assert "orthorhombic" in glance
    assert "Added last" in glance
    assert page.get_attribute("#glance [title^='Lead: ']", "style")
    page.fill("[name=require]", "Ti")
    page.keyboard.press("Enter")
    page.locator("#rows", has_text="Pb").wait_for(state="detached")
    assert "TiO2" in text_of(page, "#rows")
    assert is_as_wide_as_the_window(page)
    page.fill("[name=require]", "Xx")
    page.keyboard.press("Enter")
    page.wait_for_selector("#problem:not([hidden])")
    assert "'Xx' is not a chemical element" in page.inner_text("#problem")

    for what, shown in (("map", ".field canvas"), ("templates", ".facts")):
        page.click(f"[data-draw={what}]")
        frame = page.frame_locator(f"iframe[title^={what.title()}]")
        frame.locator(shown).first.wait_for()
    page.click("[data-draw=map]")  # kept: the job is the one of before
    page.wait_for_selector("text=Map of the library, version 1.")
    assert serious(page, LOOKS) == []

    cif = tmp_path / "new.cif"
    record = next(one for one in bundled_records() if ADDED in one.names)
    cif.write_text(write_cif(record.crystal, name="new"), "utf-8")
    page.fill("[name=require]", "")
    page.set_input_files("#cifs", cif)
    page.click("#add button.main")
    page.wait_for_selector("text=The library is now version 2.")
    page.locator("#glance", has_text="version 2").wait_for()
    page.fill("[name=formula]", "SnO2")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=1 entry, 1 shown")
    assert "SnO2" in text_of(page, "#rows")
