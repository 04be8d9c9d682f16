"""What a client knows of its namespace: wanted settings, and the configuration once it was read."""

from __future__ import annotations

from typing import NamedTuple

from ducto_redis.core.durability import Level
from ducto_redis.core.keys import DEFAULT_NAMESPACE, DEFAULT_SHARDS, KeyMaker
from ducto_redis.errors import InvalidArgumentError, NamespaceUnknown
from ducto_redis.money import DEFAULT_PRECISION, MAX_PRECISION


class Config(NamedTuple):
    """The namespace's configuration as the server holds it; ``generation`` is 8 random bytes."""

    generation: bytes
    precision: int
    shards: int


class Space:
    """A namespace as one store sees it.

    Args:
        namespace: Its name.
        precision: Decimal places wanted, 0 to 9; None takes what the server says (4 for a new namespace).
        shards: Hash tags wanted, 1 to 1024; None takes what the server says (64 for a new namespace).

    Attributes:
        config: What the server holds; None until it was read.
        level: The durability that is wanted above ``memory``, or None.

    Raises:
        InvalidArgumentError: A setting is not allowed.
    """

    def __init__(
        self, namespace: str = DEFAULT_NAMESPACE, precision: int | None = None, shards: int | None = None
    ) -> None:
        if precision is not None and (
            isinstance(precision, bool) or not isinstance(precision, int) or not 0 <= precision <= MAX_PRECISION
        ):
            msg = f"invalid_argument: precision must be 0 to {MAX_PRECISION}, not {precision!r}"
            raise InvalidArgumentError(msg)
        self.wanted_precision = precision
        self.wanted_shards = shards
        self.config: Config | None = None
        self.level: Level | None = None
        self._keys = KeyMaker(namespace, DEFAULT_SHARDS if shards is None else shards)

    @property
    def name(self) -> str:
        """The namespace."""
        return self._keys.namespace

    @property
    def new_precision(self) -> int:
        """The decimal places of the namespace when this client creates it."""
        return DEFAULT_PRECISION if self.wanted_precision is None else self.wanted_precision

    @property
    def keys(self) -> KeyMaker:
        """The keys of the namespace, as many shards as are known or wanted."""
        return self._keys

    def adopt(self, config: Config) -> None:
        """Takes a configuration as the one that counts."""
        if config.shards != self._keys.shards:
            self._keys = KeyMaker(self.name, config.shards)
        self.config = config

    @property
    def known(self) -> Config:
        """The configuration.

        Raises:
            NamespaceUnknown: It was not read yet.
        """
        if self.config is None:
            msg = f"namespace_unknown: the configuration of {self.name!r} was not read yet"
            raise NamespaceUnknown(msg)
        return self.config
