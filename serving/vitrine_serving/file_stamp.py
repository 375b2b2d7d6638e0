"""File stamp: inode, size and times, which are others once a file was replaced or changed."""

from pathlib import Path

FileStamp = tuple[int, ...]


def file_stamp(path: Path) -> FileStamp | None:
    """Returns inode, size and times of a file, None where it cannot be looked at. Inodes are used
    again, and times of change set back, but not ctime."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
