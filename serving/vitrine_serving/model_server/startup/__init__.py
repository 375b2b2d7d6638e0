"""Start of the model server: its command line, settings, loading and listeners."""
