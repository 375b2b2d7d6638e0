"""House style: one stylesheet, one header and one icon for the page, /docs and all reports.

The gateway serves `theme.css` and `icon.svg` from `FOLDER`; reports are files of their own and have
both written into them (`reports`).
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the files are."""

SERVED = ("theme.css", "icon.svg")
"""Those that pages of the gateway ask for."""
