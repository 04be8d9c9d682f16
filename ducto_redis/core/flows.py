"""Operations of several steps, as generators that either driver runs: opening a namespace, and any call on one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

from ducto_redis.codes import Code
from ducto_redis.core.batches import BUILD, plan
from ducto_redis.core.codec import message_of
from ducto_redis.core.defaults import spread
from ducto_redis.core.durability import checked, persisted
from ducto_redis.core.keys import DEFAULT_SHARDS
from ducto_redis.core.rolling import roll
from ducto_redis.core.shards import NO_GENERATION, ShardConfig, shard_call
from ducto_redis.core.space import Config, Space
from ducto_redis.core.steps import Answer, Batch, Call, Flow, ServerVersion
from ducto_redis.errors import (
    ConfigError,
    DurabilityNotMet,
    NamespaceUnknown,
    NeedsRestore,
    PeriodsDue,
    PrecisionMismatch,
    SchemaNewer,
    ServerTooOld,
    StoreError,
)
from ducto_redis.models import SetupResult

T = TypeVar("T")
P = ParamSpec("P")

LAYOUT: Final = 1
MIN_SERVER: Final = (7, 0)
#: A call may meet the end of so many periods of zoned caps in a row.
MAX_ROLLS: Final = 4


def _check_server() -> Flow[str]:
    version: str = yield ServerVersion()
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    # A user without the right to ask (INFO) gets "": the scripts' first line still needs 7.0 to compile.
    if numbers and numbers < MIN_SERVER:
        msg = f"the server is Redis {version}; ducto_redis needs 7.0 or newer (script flags)"
        raise ServerTooOld(msg)
    return version


def _check_wanted(space: Space, first: ShardConfig) -> None:
    if first.layout > LAYOUT:
        raise SchemaNewer(message_of(Code.SCHEMA_NEWER))
    wanted = space.wanted_precision
    if wanted is not None and wanted != first.precision:
        msg = (
            f"namespace {space.name!r} counts with precision {first.precision}, not {wanted}; it is fixed when the"
            " namespace is created - open it without precision, or use another namespace"
        )
        raise PrecisionMismatch(msg)
    if space.wanted_shards is not None and space.wanted_shards != first.shards:
        msg = f"namespace {space.name!r} has {first.shards} shards, not {space.wanted_shards}; this is fixed too"
        raise PrecisionMismatch(msg)


def _create(space: Space, generation: bytes) -> Flow[bool]:
    """Writes the configuration to every shard, the first shard marking when all are done. Answers whether we won.

    Two processes may do this at once: the first shard's script decides whose generation counts, both write that one.
    """
    shards = space.wanted_shards or DEFAULT_SHARDS
    mine = Config(generation, space.new_precision, shards)
    first: ShardConfig = yield shard_call(space, 0, "create", mine, "creating")
    _check_wanted(space, first)
    agreed = Config(first.generation, first.precision, first.shards)
    space.adopt(agreed)
    yield Batch(tuple(shard_call(space, shard, "create", agreed, "ready") for shard in range(1, shards)))
    done: ShardConfig = yield shard_call(space, 0, "ready", agreed)
    if done.code is not Code.OK:
        raise NeedsRestore(message_of(Code.NEEDS_RESTORE))
    return first.created


def _check_shards(space: Space, first: ShardConfig, others: Sequence[ShardConfig]) -> None:
    strange = [at for at, shard in enumerate(others, 1) if shard.generation != first.generation]
    if strange:
        msg = (
            f"needs_restore: {len(strange)} of {first.shards} shards of {space.name!r} are empty or hold another"
            f" generation (first: shard {strange[0]}); restore the namespace before using it"
        )
        raise NeedsRestore(msg)


def open_namespace(space: Space, *, create: bool, generation: bytes) -> Flow[SetupResult]:
    """Reads and verifies the namespace's configuration, creating it when asked to.

    Args:
        space: The namespace; adopts what is found.
        create: Whether an absent namespace is created.
        generation: 8 random bytes, used when it is created.

    Raises:
        ServerTooOld: The server is older than Redis 7.0.
        ConfigError: It is not configured for the durability that is wanted.
        NamespaceUnknown: There is none and ``create`` is false.
        PrecisionMismatch: It counts differently than wanted.
        NeedsRestore: Some of its shards are missing or of another generation.
        SchemaNewer: It was written by a newer release.
    """
    version = yield from _check_server()
    if space.level is not None:
        yield from checked(space.level, version, attached=create)
    first: ShardConfig = yield shard_call(space, 0, "read")
    created = False
    if first.generation:
        _check_wanted(space, first)
    if first.state == "restoring":
        msg = f"needs_restore: namespace {space.name!r} is being restored; try again when `ducto-redis restore` is done"
        raise NeedsRestore(msg)
    if not first.generation or first.state == "creating":
        if not create:
            msg = f"namespace_unknown: the server knows no namespace {space.name!r}; call setup() first"
            raise NamespaceUnknown(msg)
        if not first.generation:
            yield from _refuse_remains(space)
        created = yield from _create(space, generation)
    else:
        space.adopt(Config(first.generation, first.precision, first.shards))
        others = yield Batch(tuple(shard_call(space, shard, "read") for shard in range(1, first.shards)))
        _check_shards(space, first, others)
        if create:
            yield from spread(space, first, others)
    config = space.known
    result = SetupResult(
        namespace=space.name,
        created=created,
        precision=config.precision,
        shards=config.shards,
        generation=config.generation.hex(),
    )
    if create:
        yield from persisted(space.level, "setup", result)
    return result


def _refuse_remains(space: Space) -> Flow[None]:
    """Refuses to create a namespace of which the first shard alone is gone."""
    shards = space.wanted_shards or DEFAULT_SHARDS
    others: list[ShardConfig] = yield Batch(tuple(shard_call(space, shard, "read") for shard in range(1, shards)))
    if any(shard.generation for shard in others):
        # Another process may have created the namespace since the first shard was read.
        again: ShardConfig = yield shard_call(space, 0, "read")
        if again.generation:
            return
        msg = f"needs_restore: shard 0 of {space.name!r} is gone while others are there; restore the namespace"
        raise NeedsRestore(msg)


def ready(space: Space) -> Flow[None]:
    """Reads the configuration before the first operation."""
    if space.config is None:
        yield from open_namespace(space, create=False, generation=NO_GENERATION)


def operate_many(space: Space, script: str, items: Sequence[Any], op_ids: Sequence[str]) -> Flow[list[Any]]:
    """Runs an operation on many accounts: the items of a shard in one script, all shards in one round trip.

    Args:
        space: The namespace.
        script: ``charge_many`` or ``reserve_many``.
        items: The items.
        op_ids: The operation id of each.
    """
    yield from ready(space)
    for last in (False, True):
        steps = [BUILD[script](space, item, op_id) for item, op_id in zip(items, op_ids, strict=True)]
        calls, groups = plan(space, script, steps)
        short: DurabilityNotMet | None = None
        try:
            lists = yield Batch(calls)
        except DurabilityNotMet as error:
            lists, short = error.results, error
        except (NamespaceUnknown, NeedsRestore) as error:
            if last:
                raise
            yield from adopt_other(space, error)
            continue
        results = [step.value if isinstance(step, Answer) else None for step in steps]
        for positions, each in zip(groups, lists, strict=True):
            for at, result in zip(positions, each, strict=True):
                results[at] = result
        yield from _decide_rest(space, script, (items, op_ids, results), short)
        return results
    raise AssertionError  # the second round returns or raises


def _decide_rest(
    space: Space, script: str, batch: tuple[Sequence[Any], Sequence[str], list[Any]], short: DurabilityNotMet | None
) -> Flow[None]:
    """Decides the items of a batch that met the end of a zoned cap's period; they were not executed.

    Raises:
        DurabilityNotMet: Some are executed and not yet safe - these, or (``short``) others of the batch; told of all
            items, also when something else fails behind it.
    """
    items, op_ids, results = batch
    for at in [at for at, result in enumerate(results) if result is None]:
        try:
            results[at] = yield from operate(space, BUILD[script], items[at], op_ids[at])
        except DurabilityNotMet as error:
            results[at], short = error.result, error
        except StoreError as error:
            if short is None:
                raise
            raise short.of_items(op_ids, results) from error
    if short is not None:
        raise short.of_items(op_ids, results)


def operate(
    space: Space, build: Callable[Concatenate[Space, P], Call[T] | Answer[T]], *args: P.args, **options: P.kwargs
) -> Flow[T]:
    """Runs an operation: reads the configuration before the first one, and once more when the server holds another.

    A client that meets another generation re-reads the configuration once: a newer one that is ready is adopted and
    the operation sent again (it was not executed); anything else is ``NeedsRestore`` (SPEC 6).
    """
    if space.config is None:
        yield from ready(space)
    rolled, adopted = 0, False
    while True:
        step = build(space, *args, **options)
        if isinstance(step, Answer):
            return cast("T", step.value)
        try:
            result: T = yield step
        except (PeriodsDue, NamespaceUnknown, NeedsRestore) as error:
            met: PeriodsDue | NamespaceUnknown | NeedsRestore = error
        else:
            return result
        if isinstance(met, PeriodsDue):
            rolled += 1
            if rolled > MAX_ROLLS:
                raise met
            yield from roll(step)
            if "now_ms" in options:
                options["now_ms"] = met.now_ms
        elif adopted:
            raise met
        else:
            adopted = True
            yield from adopt_other(space, met)


def adopt_other(space: Space, met: ConfigError) -> Flow[None]:
    """Adopts the generation the server holds now, when it is another one and ready.

    Args:
        space: The namespace.
        met: What told that it may be another one.

    Raises:
        NeedsRestore: There is none, it is incomplete, or it is the one that was sent.
    """
    known = space.config
    try:
        yield from open_namespace(space, create=False, generation=NO_GENERATION)
    except NamespaceUnknown as cause:
        raise NeedsRestore(str(met)) from cause
    if space.config == known:
        raise NeedsRestore(str(met)) from met
