"""Pictures in files: listed, decoded in processes, and kept as memory maps of pixels."""
