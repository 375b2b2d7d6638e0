"""Model store: version directories, version labels, `models.config`, shared files."""
