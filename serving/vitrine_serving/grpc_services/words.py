"""Words of an error, as gRPC carries them to every client."""

_MOST_WORDS_BYTES = 7 * 1024
"""Bytes of an error's words on the wire. They travel as metadata, of which a client takes 8 KiB and
no more unless told otherwise; beyond that the call has another code, and no words."""


def carried(words: str) -> str:
    """Returns an error's words as gRPC carries them to every client, cut where they are too long.

    All but printable ASCII is escaped there, a byte by three:
    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md (Status-Message)
    """
    # Half a surrogate pair, as names of files can have, is no text for gRPC.
    text = words.encode(errors="backslashreplace").decode()
    size = 0
    for place, character in enumerate(text):
        plain = " " <= character <= "~" and character != "%"
        size += 1 if plain else 3 * len(character.encode())
        if size > _MOST_WORDS_BYTES:
            return f"{text[:place]}… (cut, of {len(text):,} characters)"
    return text
