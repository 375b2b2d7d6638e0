"""Check of the gateway's keys file: readable, well-formed, nobody else's to change."""

import hashlib
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.store.layout import quoted
from vitrine_client.store.shared_files import content_of

_LINE = re.compile(r"([A-Za-z0-9][\w.-]{0,63})\s+sha256:([0-9a-f]{64})", re.ASCII)
_NAME = "keys file"
_ADD = "`vitrine-serve keys add NAME` writes such lines"


def check(here: Installation) -> Iterator[Finding]:
    """Looks at the file that `VITRINE_KEYS_FILE` names."""
    path = here.path("VITRINE_KEYS_FILE")
    if not path:
        yield ok(_NAME, "none: predictions need no API key here")
        return
    try:
        lines = content_of(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is no text"
        todo = f"`vitrine-serve keys add NAME --file {path}` makes one; the gateway does not start"
        yield problem(_NAME, f"{path} cannot be read ({reason})", todo)
        return
    keys, bad = _keys(lines)
    if bad:
        seen = f"{path}, line {bad} is no name and `sha256:` with 64 digits, or a name again"
        yield problem(_NAME, seen, f"remove it: {_ADD}")
    elif not keys:
        yield problem(_NAME, f"{path} has no key, so that nobody may ask", _ADD)
    else:
        yield ok(_NAME, f"{path}, {len(keys)} keys")
    yield from _permissions(path)
    own = hashlib.sha256(here.api_key.encode(errors="replace")).hexdigest()
    if keys and not bad and here.api_key and own not in keys.values():
        seen = f"is none of the keys in {path}"
        yield problem("VITRINE_API_KEY", seen, f"take one that is, or make another: {_ADD}")


def _keys(lines: list[str]) -> tuple[dict[str, str], int]:
    """Hashes by name, and the number of the first line that makes no sense, or 0."""
    keys: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if not found or found[1] in keys:
            return keys, number
        keys[found[1]] = found[2]
    return keys, 0


def _permissions(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o022:
        seen = f"{path} may be changed by others (mode {mode:03o}), who can add keys of their own"
        yield problem(_NAME, seen, f"`chmod 600 {quoted(path)}`")
    elif mode & 0o004:
        yield note(
            _NAME, f"{path} may be read by anybody (mode {mode:03o})", f"`chmod 640 {quoted(path)}`"
        )
