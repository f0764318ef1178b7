"""The page in a real Chromium: nothing from outside, nothing executed, nothing too wide, nothing lost."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from modelspan.viewer.views.route import href

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SCRIPT = Path(__file__).parents[2] / "scripts" / "screenshot.py"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on the PATH"),
]


@pytest.fixture(scope="module")
def screenshot():
    spec = importlib.util.spec_from_file_location("screenshot", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def browser(screenshot):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=screenshot.ARGS)
        yield browser
        browser.close()


@pytest.fixture
def desk(browser, screenshot, filled):
    """A page that remembers what should not have happened, 1280 px wide."""
    watched = screenshot.Watched(browser, filled[0].page_url, 1280, 800)
    yield watched
    watched.page.close()
    assert watched.faults == []


def test_every_view_is_drawn_at_both_widths_without_a_fault(browser, screenshot, filled, names, tmp_path):
    base, model, hostile = filled[0].page_url, names["model"], names["hostile"]
    trace = filled[1].traces(errors=True)["traces"][0]["trace_id"]
    paths = {
        "models": "/", "live": href("models", model), "drift": href("models", model, "drift"),
        "performance": href("models", model, "performance"), "alerts": "/alerts", "traces": "/traces",
        "trace": href("traces", trace), "missing": "/nowhere", "hostile-live": href("models", hostile),
        "hostile-drift": href("models", hostile, "drift", feature=hostile),
    }  # fmt: skip
    assert screenshot.photograph(browser, base, tmp_path, paths) == []
    assert {each.name for each in tmp_path.iterdir()} == {
        f"{name}-{w}.png" for name in paths for w in (1280, 400)
    }


def test_an_empty_backend_is_drawn_without_a_fault(browser, screenshot, empty, tmp_path):
    base = empty[0].page_url
    assert screenshot.photograph(browser, base, tmp_path, screenshot.views(base)) == []


def test_what_telemetry_plants_is_shown_and_not_executed(desk, filled, names):
    base, hostile = filled[0].page_url, names["hostile"]
    trace = filled[1].traces(errors=True)["traces"][0]["trace_id"]
    good = filled[1].traces()["traces"][0]["trace_id"]
    paths = ["/", "/alerts", href("traces", trace), href("traces", good), href("models", hostile, "drift")]
    for path in [*paths, href("models", hostile)]:
        desk.show(base + path)
        assert desk.page.evaluate("window.planted") is None
        assert (
            desk.page.evaluate("document.querySelectorAll('#view script, #view img, #header img').length")
            == 0
        )
        outside = "[...document.querySelectorAll('a')].filter(each => each.href && !each.href.baseVal"
        assert desk.page.evaluate(f"{outside} && new URL(each.href).host !== location.host).length") == 0
    assert hostile in desk.page.inner_text("h1")
    assert desk.page.title() == "modelspan"


def test_the_browser_refuses_scripts_that_are_not_the_pages_own(desk, filled):
    desk.show(filled[0].page_url)
    desk.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.planted=1'}))"
    )
    assert desk.page.evaluate("window.planted") is None
    assert any("Content Security Policy" in each for each in desk.faults)
    desk.faults.clear()


def test_choosing_reloading_and_going_back_keep_the_view(desk, filled, names):
    page, base = desk.page, filled[0].page_url
    desk.show(base)
    page.click(".chooser summary")
    page.click(f".menu a:text-is('{names['model']}')")
    page.wait_for_selector("table.traces")
    assert page.locator(".chooser").get_attribute("open") is None
    page.click(".option:text-is('Failed')")
    page.wait_for_url("**errors=1")
    page.reload()
    page.wait_for_selector("table.traces")
    assert page.locator("table.traces tbody tr").count() == names["failed"]
    page.go_back()
    page.wait_for_url(base + href("models", names["model"]))
    page.wait_for_selector("table.traces .badge.good")


def test_a_refresh_renews_numbers_and_leaves_what_the_reader_opened(desk, filled, names):
    page = desk.page
    desk.show(filled[0].page_url + href("models", names["model"]))
    page.evaluate("document.querySelector('.dash-graph').kept = true")
    page.click(".chooser summary")
    before = page.inner_text("table.traces")
    with page.expect_response("**/_dash-update-component?*") as answered:
        pass
    assert answered.value.ok
    page.wait_for_timeout(300)
    assert page.inner_text("table.traces") != before
    assert page.locator(".chooser").get_attribute("open") is not None
    assert page.evaluate("document.querySelector('.dash-graph').kept") is True
