"""A browser, and the page of a pretended daemon in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, browser, leave
from tests.page_daemon import LEAKING, FakePage, page_served
from tests.served import Served

PHONE = (360, 800)


@pytest.fixture(scope="package")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture
def daemon() -> FakePage:
    return FakePage(readings=LEAKING)


@pytest.fixture
def server(tmp_path: Path, daemon: FakePage, window: Browser) -> Iterator[Served]:
    with page_served(tmp_path / "s", daemon) as running:
        window.look(*PHONE)
        window.open(f"http://127.0.0.1:{running.port}/")
        window.sees("live", "#live")
        yield running
        leave(window)


@pytest.fixture
def page(window: Browser, server: Served) -> Browser:
    return window
