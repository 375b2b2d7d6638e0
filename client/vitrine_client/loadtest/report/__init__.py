"""Report of a load test: tables, plots, a page, and a live view."""
