"""Version directories, `models/<model>/<version>/`: names in them that no model server
takes for a version."""

RETIRED = ".retired-"
"""Before the number of a version that was rolled back."""

UNFINISHED = ".unfinished-"
"""Before the number of one that is being written, or never was whole."""
