"""The only place that builds a key or a field name; ``lua/README.md`` says what they hold.

Ids are encoded before they become part of a name: a user called ``alice}:x`` must not reach another's key, so every
byte outside ``[A-Za-z0-9_.~-]`` is written as ``%XX``. The encoding is injective and leaves no brace, colon or slash.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from ducto_redis.errors import InvalidArgumentError, InvalidIdError

MAX_ACCOUNT_BYTES: Final = 256
MAX_OP_BYTES: Final = 128
MAX_LEVELS: Final = 6
MAX_SHARDS: Final = 1024
DEFAULT_SHARDS: Final = 64
DEFAULT_NAMESPACE: Final = "ducto"

#: Text that is written as it is; most ids are.
_SAFE = re.compile(r"[A-Za-z0-9_.~-]+")
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)


def encode(text: str) -> str:
    """Percent-encodes an id or a path segment."""
    return text if _SAFE.fullmatch(text) else quote(text, safe="")


class Account(NamedTuple):
    """An account id, resolved.

    Attributes:
        user_id: The id as the caller spells it.
        scopes: The ids of its levels, the root first.
        shard: The shard that the root lives in.
        name: The account, encoded: the root, or root/path.
        path: The encoded rest of the path; "" for a root.
        keys: The six keys of the root, in the order of ``lua/lib/keys.lua``.
        charging_keys: And the shard's stream of events, for scripts that charge.
    """

    user_id: str
    scopes: tuple[str, ...]
    shard: int
    name: bytes
    path: bytes
    keys: tuple[bytes, ...]
    charging_keys: tuple[bytes, ...]


def _checked(text: object, what: str, bytes_max: int) -> str:
    if not isinstance(text, str):
        msg = f"invalid_id: {what} must be text, not {type(text).__name__}"
        raise InvalidIdError(msg)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as cause:
        msg = f"invalid_id: {what} holds a lone surrogate, which is no text"
        raise InvalidIdError(msg) from cause
    if not 1 <= size <= bytes_max:
        msg = f"invalid_id: {what} must have 1 to {bytes_max} bytes, not {size}"
        raise InvalidIdError(msg)
    return text


def op_field(letter: str, op_id: object, account: Account) -> bytes:
    """The field of an operation's record: kind, id and the account's path, so that ids are scoped by all three.

    Args:
        letter: ``h`` holds, ``g`` grants, ``c`` caps.
        op_id: The operation's id, 1 to 128 bytes.
        account: The account it belongs to.

    Raises:
        InvalidIdError: The id is empty, too long or not text.
    """
    if type(op_id) is not str or len(op_id) > MAX_OP_BYTES or not _SAFE.fullmatch(op_id):
        op_id = encode(_checked(op_id, "an operation or hold id", MAX_OP_BYTES))
    name = (letter + op_id).encode()
    return name + b"/" + account.path if account.path else name


def default_field(level: int, plan: str | None) -> str:
    """The field of the config with the defaults of a level (1 the root), for accounts on a plan or on none."""
    return f"d{level}" if plan is None else f"d{level}:{encode(plan)}"


class KeyMaker:
    """Builds the keys of one namespace.

    Args:
        namespace: 1 to 32 letters, digits, ``_``, ``.`` or ``-``.
        shards: The number of hash tags that roots are spread over, 1 to 1024; fixed by ``setup()``.

    Raises:
        InvalidArgumentError: Either is not allowed.
    """

    def __init__(self, namespace: str, shards: int) -> None:
        if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
            msg = f"invalid_argument: namespace {namespace!r} must be 1 to 32 of A-Z a-z 0-9 _ . -"
            raise InvalidArgumentError(msg)
        if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= MAX_SHARDS:
            msg = f"invalid_argument: shards must be 1 to {MAX_SHARDS}, not {shards!r}"
            raise InvalidArgumentError(msg)
        self.namespace = namespace
        self.shards = shards
        self._shard_parts = lru_cache(maxsize=MAX_SHARDS)(self._parts_of)
        self._resolve = lru_cache(maxsize=8192)(self._account)

    def account(self, user_id: object) -> Account:
        """Resolves an account id; the last 8,192 are kept.

        Raises:
            InvalidIdError: It is empty, too long, too deep or not text.
        """
        # Only a resolved id is found without being checked again; a subclass of str might call itself equal to one.
        return self._resolve(user_id if type(user_id) is str else _checked(user_id, "an account id", MAX_ACCOUNT_BYTES))

    def shard_keys(self, shard: int) -> tuple[bytes, bytes]:
        """The keys every root of a shard shares: ledger and config."""
        tag = f"{self.namespace}:{{{shard}}}:"
        return f"{tag}ledger".encode(), f"{tag}config".encode()

    def events_key(self, shard: int) -> bytes:
        """The stream of events of a shard."""
        return f"{self.namespace}:{{{shard}}}:events".encode()

    def holds_pattern(self) -> str:
        """A pattern that the expiry indexes of all roots match."""
        return f"{self.namespace}:{{*}}:x:*"

    def state_pattern(self) -> str:
        """A pattern that the state hashes of all roots match."""
        return f"{self.namespace}:{{*}}:s:*"

    def root_of(self, key: bytes) -> Account:
        """The root whose state hash a key is."""
        return self.account(unquote(key.decode().rpartition(":s:")[2]))

    def keys_of_root(self, shard: int, root: str) -> tuple[bytes, bytes]:
        """State hash and expiry index of an encoded root."""
        tag = f"{self.namespace}:{{{shard}}}:"
        return f"{tag}s:{root}".encode(), f"{tag}x:{root}".encode()

    def limiter_key(self, digest: str, limited_id: object) -> bytes:
        """The state of a stand-alone limiter for one id; another set of limits has another digest and begins unused.

        Raises:
            InvalidIdError: The id is empty, too long or not text.
        """
        name = encode(_checked(limited_id, "an id", MAX_ACCOUNT_BYTES))
        shard = crc_hqx(name.encode(), 0) % self.shards
        return f"{self.namespace}:{{{shard}}}:q:{digest}:{name}".encode()

    def account_of(self, key: bytes) -> Account:
        """The root whose expiry index a key is."""
        return self.account(unquote(key.decode().rpartition(":x:")[2]))

    def _account(self, user_id: str) -> Account:
        if len(user_id) <= MAX_ACCOUNT_BYTES and _SAFE.fullmatch(user_id):
            return self._root(user_id, user_id, (user_id,), b"")  # most accounts are roots that are written as they are
        segments = _checked(user_id, "an account id", MAX_ACCOUNT_BYTES).split("/")
        if "" in segments or len(segments) > MAX_LEVELS:
            msg = f"invalid_id: {user_id!r} must be a path of 1 to {MAX_LEVELS} segments, none of them empty"
            raise InvalidIdError(msg)
        encoded = [encode(segment) for segment in segments]
        scopes = tuple("/".join(segments[: depth + 1]) for depth in range(len(segments)))
        return self._root(user_id, encoded[0], scopes, "/".join(encoded[1:]).encode())

    def _root(self, user_id: str, root: str, scopes: tuple[str, ...], path: bytes) -> Account:
        name = root.encode()
        shard = crc_hqx(name, 0) % self.shards
        tag, ledger, config, events = self._shard_parts(shard)
        keys = (tag + b"s:" + name, tag + b"x:" + name, tag + b"0:" + name, tag + b"1:" + name, ledger, config)
        full_name = name + b"/" + path if path else name
        return Account(user_id, scopes, shard, full_name, path, keys, (*keys, events))

    def _parts_of(self, shard: int) -> tuple[bytes, bytes, bytes, bytes]:
        return (f"{self.namespace}:{{{shard}}}:".encode(), *self.shard_keys(shard), self.events_key(shard))
