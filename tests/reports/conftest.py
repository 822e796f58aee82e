"""The browser that the report's tests share; without Chromium each of them is a recorded skip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reports.browser import CHROMIUM, Page, browser


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    """A tab of a headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on this machine")
    with browser() as tab:
        yield tab
