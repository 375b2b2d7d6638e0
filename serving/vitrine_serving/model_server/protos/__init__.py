"""Protocol buffers that flags name as text files: their messages, and the reader of the files."""
