"""Report of a published version: one page with its figures and plots."""
