"""Own data: pictures and labels of other people, from folders, arrays, IDX files and CSV."""
