"""Take a picture of every view of a running `modelspan up`, at the widths of a desk and of a phone.

Fails if the browser asks for anything on another host, logs an error, or has to scroll sideways.

    python scripts/screenshot.py http://127.0.0.1:8050 pictures/

The picture of the README, beside a running demo:

    python scripts/screenshot.py http://127.0.0.1:8050 docs/images/ \\
        --view page=/models/credit-risk/drift --cut 900
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
]
PATIENCE = 20
WIDTHS = {1280: 800, 400: 860}
SETTLED = "document.querySelector('#header .bar') && !document.querySelector('#view > p.muted')"
DRAWN = "[...document.querySelectorAll('.dash-graph')].every(each => each.querySelector('.main-svg'))"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
NEXT_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Watched:
    """A browser page that remembers what should not have happened."""

    def __init__(self, browser: Browser, base: str, width: int, height: int) -> None:
        self.host = urlsplit(base).netloc
        self.faults: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("console", lambda said: self._heard(said.type, said.text))
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.faults.append(f"outside request: {url}")

    def _heard(self, kind: str, words: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(f"console {kind}: {words}")

    def _until(self, condition: str) -> None:
        """Poll from here: the page's own policy forbids it to evaluate text, as wait_for_function would."""
        deadline = time.monotonic() + PATIENCE
        while not self.page.evaluate(condition):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.page.url} is not ready after {PATIENCE} s: {condition}")
            self.page.wait_for_timeout(50)

    def show(self, url: str) -> None:
        """Open a view and wait until it is drawn."""
        self.page.goto(url)
        self._until(SETTLED)
        self._until(DRAWN)
        self.page.evaluate(NEXT_FRAMES)
        if (over := self.page.evaluate(OVERFLOW)) > 0:
            self.faults.append(f"{urlsplit(url).path} is {over} px wider than the window")
        for box in self.page.query_selector_all(".error"):
            self.faults.append(f"{urlsplit(url).path} shows an error: {box.inner_text()}")


def views(base: str) -> dict[str, str]:
    """Name and path of every view, filled with a model and a failed trace that the store has."""
    found = {"models": "/", "alerts": "/alerts", "traces": "/traces", "not-found": "/nowhere"}
    models = _ask(base, "/api/models")["models"]
    if models:
        name = quote(max(models, key=lambda each: each["calls"])["model"], safe="")
        found |= {"live": f"/models/{name}", "drift": f"/models/{name}/drift"}
        found |= {"performance": f"/models/{name}/performance"}
    traces = _ask(base, "/api/traces?limit=200")["traces"]
    if traces:
        trace = next((each for each in traces if each["status"] == "error"), traces[0])
        found["trace"] = f"/traces/{trace['trace_id']}"
    return found


def _ask(base: str, path: str) -> dict:
    with urllib.request.urlopen(base + path, timeout=10) as answer:
        return json.load(answer)


def photograph(browser: Browser, base: str, folder: Path, paths: dict[str, str], cut: int = 0) -> list[str]:
    """Write `<view>-<width>.png` for every view and width; the answer is what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    for width, height in WIDTHS.items():
        watched = Watched(browser, base, width, height)
        for name, path in paths.items():
            watched.show(base + path)
            clip = {"x": 0, "y": 0, "width": width, "height": cut} if cut else None
            watched.page.screenshot(path=folder / f"{name}-{width}.png", full_page=True, clip=clip)
        watched.page.close()
        faults += watched.faults
    return faults


def _pair(text: str) -> tuple[str, str]:
    if not re.fullmatch(r"[\w-]+=/.*", text):
        raise argparse.ArgumentTypeError(f"view={text!r} is not name=/path; write for example live=/models/x")
    name, _, path = text.partition("=")
    return name, path


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Pictures of every view, and what is wrong with them")
    parser.add_argument("url", help="address of the page")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--view", type=_pair, action="append", help="name=/path, instead of all views")
    parser.add_argument("--cut", type=int, default=0, help="height of the pictures; 0: the whole page")
    parser.add_argument("--chromium", default=CHROMIUM)
    options = parser.parse_args()
    base = options.url.rstrip("/")
    paths = dict(options.view) if options.view else views(base)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=ARGS)
        faults = photograph(browser, base, options.folder, paths, options.cut)
        browser.close()
    print(*faults, f"{len(paths) * len(WIDTHS)} pictures in {options.folder}, {len(faults)} faults", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
