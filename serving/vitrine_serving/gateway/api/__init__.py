"""API adapters: each decodes a protocol's requests, infers, and encodes the responses."""
