"""House style: one stylesheet, one header and one icon for the page, /docs and all reports.

The gateway serves `theme.css` and `icon.svg` from `FOLDER`; reports are files of their own and have
both written into them (`reports`).
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the files are."""

SERVED = ("theme.css", "icon.svg")
"""Those that pages of the gateway ask for."""

FOR, AGAINST = (255, 150, 30), (70, 140, 255)
"""RGB of pixels for a class and against it, on black; the page and `theme.css` have the same.
A pair that people with any colour vision tell apart, also by brightness."""
