"""A real browser before a real server: chromium through Playwright, the application on a free port.

The headless shell comes first where it is there: the same engine without the windows around it, for less than half of the processor's time.
Where no chromium is found the tests are skipped, and say so; `KABAO_CHROMIUM` names one that is elsewhere.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server

from runtime.settings import Settings
from tests.served import free_port
from wsgi import create_app

INSTALLED = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("KABAO_CHROMIUM") or next(filter(None, map(shutil.which, INSTALLED)), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
]
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what drives a browser a second chance, which pytest's last line counts: on a crowded machine a click may come before its page has."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def live_app(app: Flask, settings: Settings) -> Iterator[Flask]:
    """The application once more, at the address at which the browser finds it."""
    live = create_app(replace(settings, public_url=f"http://127.0.0.1:{free_port()}"))
    yield live
    live.extensions["kabao_cache"].stop()
    live.extensions["kabao_engine"].dispose()


@pytest.fixture(scope="session")
def live_url(live_app: Flask) -> Iterator[str]:
    """The address of a running server."""
    url: str = live_app.extensions["kabao_settings"].public_url
    server = make_server("127.0.0.1", int(url.rsplit(":", 1)[1]), live_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="live-server", daemon=True)
    thread.start()
    yield url
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


@pytest.fixture(scope="session")
def named_url(app: Flask, settings: Settings) -> Iterator[str]:
    """The address of a server that is reached by a name, as passkeys ask for."""
    port = free_port()
    live = create_app(replace(settings, public_url=f"http://localhost:{port}"))
    server = make_server("127.0.0.1", port, live, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="named-server", daemon=True)
    thread.start()
    yield f"http://localhost:{port}"
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()
    live.extensions["kabao_cache"].stop()
    live.extensions["kabao_engine"].dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium for a file of tests: while Playwright is open its event loop runs in this thread, and other files' tests run their own."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: install Debian's chromium, or name one in KABAO_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def phone(browser: Browser, live_url: str) -> Iterator[Page]:
    """A page as wide as a small phone, in Chinese."""
    yield from _page(browser, live_url, PHONE)


@pytest.fixture
def desk(browser: Browser, live_url: str) -> Iterator[Page]:
    """A page as wide as a desk's screen, in Chinese."""
    yield from _page(browser, live_url, DESK)


def _page(browser: Browser, live_url: str, viewport: dict[str, int]) -> Iterator[Page]:
    context: BrowserContext = browser.new_context(base_url=live_url, viewport=viewport, locale="zh-CN")
    context.set_default_timeout(10_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults, faults
