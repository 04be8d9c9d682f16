"""Operation ids: made before the first send, so that a repetition is recognised (SPEC 6)."""

from __future__ import annotations

import secrets
from binascii import b2a_base64
from os import urandom
from typing import Final

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def new_id() -> str:
    """A fresh id of 64 random bits in 11 URL-safe characters; never from a seedable generator."""
    # secrets.token_urlsafe(8), in a third of its time
    return b2a_base64(urandom(8))[:11].translate(_URL_SAFE).decode()


def new_generation() -> bytes:
    """The 8 random bytes that tell one life of a namespace from the next."""
    return secrets.token_bytes(8)
