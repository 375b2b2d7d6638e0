"""Starts a Chromium that the machine has; nothing is downloaded."""

import os
import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")

_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def find() -> str | None:
    """Returns the path of a browser, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Starts the browser, with a camera that shows a test picture."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root there is none
    return playwright.chromium.launch(executable_path=path, args=_CAMERA + sandbox)
