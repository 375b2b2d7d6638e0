"""Start of the model server: its command line, and what flags and files say."""
