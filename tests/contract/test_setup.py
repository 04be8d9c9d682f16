"""The namespace: created once, verified ever after; a wiped or mixed server is never an empty one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ducto_redis import InvalidArgumentError, NamespaceUnknown, NeedsRestore, PrecisionMismatch, RedisStore, SchemaNewer


def test_a_namespace_must_be_set_up_first(api):
    """Without setup() every call says so; setup(create=False) does not create."""
    store = api.store(setup=False)
    for call in (store.get_balance, store.get_available, store.check_spend_cap):
        with pytest.raises(NamespaceUnknown, match="setup"):
            call("u")
    with pytest.raises(NamespaceUnknown):
        store.reserve("u", 1)
    with pytest.raises(NamespaceUnknown):
        store.setup(create=False)
    assert api.store().get_balance("u").balance == 0


def test_another_precision_is_refused(api):
    """The precision is fixed at creation: another one raises, none takes what is there."""
    assert api.store(setup=False, precision=6).setup().precision == 6
    with pytest.raises(PrecisionMismatch, match="precision 6, not 4"):
        api.store(precision=4)
    with pytest.raises(PrecisionMismatch, match="4 shards, not 8"):
        api.store(shards=8)
    other = api.store()
    other.add_credits("u", "0.000001")
    assert str(other.get_balance("u").balance) in {"0.000001", "0.0000010", "1E-6"}
    with pytest.raises(PrecisionMismatch):
        api.store(setup=False, precision=4).get_balance("u")


def test_another_shard_count_is_adopted(api):
    """A client that asks for no shard count works with what the namespace has."""
    api.store(shards=7).add_credits("u", 5)
    assert api.store(setup=False, shards=None).get_balance("u").balance == 5


WRONG_SETTINGS = [
    {"precision": 10}, {"precision": -1}, {"precision": True}, {"shards": 0}, {"shards": 1025}, {"namespace": ""},
    {"namespace": "a:b"}, {"namespace": "x" * 33},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_SETTINGS, ids=repr)
def test_wrong_settings(api, wrong):
    """Precision 0 to 9, shards 1 to 1024, a namespace of plain characters."""
    with pytest.raises(InvalidArgumentError):
        api.store(setup=False, **wrong)


def test_two_processes_may_create_it_at_once(server, namespace):
    """Eight racing setups end with one generation, and exactly one of them says created."""

    def race(_):
        with RedisStore.from_url(server.url, namespace=namespace, shards=16) as store:
            return store.setup()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(race, range(8)))
    assert len({outcome.generation for outcome in outcomes}) == 1
    assert sum(outcome.created for outcome in outcomes) == 1


def test_an_interrupted_creation_is_finished_by_the_next_setup(server, namespace):
    """Shard 0 written, the rest not: no operation works, and setup() completes the same generation."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=4) as store:
        generation = store.setup().generation
        server.client.hset(f"{namespace}:{{0}}:config", "state", "creating")
        server.client.delete(f"{namespace}:{{2}}:config")
    with RedisStore.from_url(server.url, namespace=namespace, shards=4) as store:
        with pytest.raises(NamespaceUnknown):
            store.get_balance("u")
        assert store.setup().generation == generation
        store.add_credits("u", 1)


def test_a_wiped_server_is_not_an_empty_account(server, namespace):
    """All keys gone: every call raises NeedsRestore, none writes, none says balance 0 or no cap."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as store:
        store.setup()
        store.add_credits("u", 100)
        hold = store.reserve("u", 5)
        keys = server.client.keys(f"{namespace}:*")
        server.client.delete(*keys)
        calls = [
            lambda: store.add_credits("u", 1), lambda: store.get_balance("u"), lambda: store.reserve("u", 1),
            lambda: store.settle("u", hold, 1), lambda: store.deduct_credits("u", hold, 1),
            lambda: store.release("u", hold), lambda: store.check_spend_cap("u"),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(NeedsRestore):
                call()
        assert not server.client.keys(f"{namespace}:*")


def test_a_partly_wiped_namespace_needs_restore(server, namespace):
    """One shard's config gone (a lost primary): setup and the calls on that shard refuse; so with shard 0."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=4) as store:
        store.setup()
        saved = server.client.dump(f"{namespace}:{{1}}:config")
        server.client.delete(f"{namespace}:{{1}}:config")
        with pytest.raises(NeedsRestore, match="1 of 4 shards"):
            store.setup()
        server.client.restore(f"{namespace}:{{1}}:config", 0, saved)
        server.client.delete(f"{namespace}:{{0}}:config")
        with pytest.raises(NeedsRestore, match="shard 0"):
            store.setup()


def test_clients_adopt_a_new_generation_once_it_is_ready(server, namespace):
    """A namespace made anew is adopted by running clients without a restart; old state of a root is not used."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as old:
        old.setup()
        old.add_credits("u", 100)
        server.client.delete(*server.client.keys(f"{namespace}:*"))
        with RedisStore.from_url(server.url, namespace=namespace, shards=2) as fresh:
            fresh.setup()
            fresh.add_credits("u", 7)
        assert old.get_balance("u").balance == 7


def test_state_of_another_generation_is_not_used(server, namespace):
    """A root left over from another life of the namespace is refused by scripts, not merged."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=1) as store:
        store.setup()
        store.add_credits("u", 100)
        server.client.delete(f"{namespace}:{{0}}:config")
        with pytest.raises(NeedsRestore):
            store.reserve("missing", 1)
        with RedisStore.from_url(server.url, namespace=namespace, shards=1) as other:
            other.setup()
            with pytest.raises(NeedsRestore):
                other.get_balance("u")
            with pytest.raises(NeedsRestore):
                other.add_credits("u", 1)


def test_a_newer_layout_is_left_alone(server, namespace):
    """A root or a config written by a newer release: schema_newer, nothing changed."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=1) as store:
        store.setup()
        store.add_credits("u", 100)
        key = f"{namespace}:{{0}}:s:u"
        server.client.hset(key, "r", b"\x02" + server.client.hget(key, "r")[1:])
        before = server.client.dump(key)
        with pytest.raises(SchemaNewer):
            store.reserve("u", 1)
        with pytest.raises(SchemaNewer):
            store.add_credits("u", 1)
        assert server.client.dump(key) == before
        server.client.hset(f"{namespace}:{{0}}:config", "layout", 2)
        with pytest.raises(SchemaNewer):
            store.setup()
