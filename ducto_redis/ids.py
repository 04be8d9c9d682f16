"""Operation ids: made before the first send, so that a repetition is recognised (SPEC 6)."""

from __future__ import annotations

import secrets


def new_id() -> str:
    """A fresh id of 64 random bits in 11 URL-safe characters; never from a seedable generator."""
    return secrets.token_urlsafe(8)


def new_generation() -> bytes:
    """The 8 random bytes that tell one life of a namespace from the next."""
    return secrets.token_bytes(8)
