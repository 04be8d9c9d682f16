"""What PostgreSQL alone can do: other settings, refusals of many kinds, connections that are lost."""

from __future__ import annotations

import socket
import threading

import pytest
from ledgers import POINTS, ledger_of, work
from servers import PASSWORD, PostgresProcess
from sql import Database, of_postgres

from ducto_redis import ConfigError, StoreUnavailable
from ducto_redis.durable import LedgerDrain, Restore, Snapshots, open_database
from ducto_redis.errors import AuthenticationFailed

TERMINATE = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'ducto_redis'"


@pytest.fixture
def database(postgres):
    """An empty one."""
    made = of_postgres(None, lambda: postgres)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("given", "in_force"), [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")]
)
def test_a_commit_is_on_the_disk_whatever_the_server_says(database, given, in_force):
    """What weakens a commit is overruled, what strengthens it stays; isolation and bounds are ours."""
    options = f"%20-csynchronous_commit%3D{given}%20-cdefault_transaction_isolation%3Dserializable"
    engine = open_database(database.url + options)
    names = ("synchronous_commit", "transaction_isolation", "statement_timeout", "lock_timeout")
    with engine.begin() as connection:
        told = [connection.exec_driver_sql(f"show {name}").scalar() for name in names]
    assert told == [in_force, "read committed", "1min", "10s"]
    engine.dispose()


@pytest.mark.parametrize("point", POINTS)
def test_a_lost_connection_loses_nothing(server, namespace, store, database, point):
    """The server ends it at each place: told where it was in use, found again by the next drain."""
    work(store, 3)
    before = ledger_of(server, namespace)
    drain, met = LedgerDrain(store, database.url), []

    def lose(at):
        if at == point and not met:
            met.append(at)
            database.execute(TERMINATE)

    drain.at_point = lose
    if point == "written":
        with pytest.raises(StoreUnavailable):
            drain.drain()
        assert ledger_of(server, namespace) == before
    drain.drain()
    drain.drain()
    assert met == [point]
    assert sorted(database.rows()) == sorted(before)
    assert ledger_of(server, namespace) == []
    drain.close()


def test_a_connection_lost_while_rows_are_written(server, namespace, store, database):
    """In the middle of COPY, which goes past SQLAlchemy: told alike, and the connection is not used again."""
    work(store, 3)
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, database.url)
    database.execute(
        "create function lose() returns trigger language plpgsql as"
        " 'begin perform pg_terminate_backend(pg_backend_pid()); return new; end'",
        "create trigger lose before insert on ducto_ledger for each row execute function lose()",
    )
    with pytest.raises(StoreUnavailable, match=r"terminat|lost|closed"):
        drain.drain()
    assert ledger_of(server, namespace) == before
    database.execute("drop trigger lose on ducto_ledger")
    assert drain.drain().rows == len(before)
    drain.close()


@pytest.fixture
def something_else(tmp_path):
    """The folder of a socket where another program answers."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / ".s.PGSQL.5432"))
        listening.listen()

        def answer():
            with listening.accept()[0] as met:
                met.recv(1_000)
                met.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        yield tmp_path
        answering.join()


def test_refusals_say_what_to_do(postgres, something_else):
    """Wrong password, user, database, place, server, rights: what it is, what helps, and never the password."""
    whole = Database(postgres.url)
    whole.execute(f"create role guest login password '{PASSWORD}'")
    url = postgres.url
    cases = [
        (url.replace(PASSWORD, f"{PASSWORD}-not"), AuthenticationFailed, "check user and password"),
        (url.replace("ducto:", "nobody:"), AuthenticationFailed, "check user and password"),
        (url.replace(f":{PASSWORD}", ""), AuthenticationFailed, "the URL needs a password"),
        (url.replace("/postgres?", "/nothing?"), ConfigError, '"nothing" does not exist; create it'),
        (url.replace("ducto:", "guest:"), ConfigError, "must be allowed to create tables"),
        (f"{url}&options=-csearch_path%3Dnone", ConfigError, "create the schema"),
        (f"{url}&options=-cdefault_transaction_read_only%3Don", ConfigError, "the primary server"),
        (f"{url}&nonsense=1", ConfigError, "check what follows"),
        (f"postgresql://u:{PASSWORD}@/x?host={something_else}", ConfigError, "no PostgreSQL listens there"),
        (f"postgresql://u:{PASSWORD}@/x?host={something_else}/none", StoreUnavailable, "did not answer"),
        (f"postgresql://u:{PASSWORD}@localhost:1/x", StoreUnavailable, "did not answer"),
    ]
    for each, error, told in cases:
        with pytest.raises(error, match=told) as met:
            open_database(each)
        assert PASSWORD not in f"{met.value} {met.value.__cause__}", each
    whole.execute("drop role guest")
    whole.close()


def test_an_encoding_that_cannot_hold_every_text(postgres):
    """Refused before anything is written."""
    whole = Database(postgres.url)
    with whole.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("create database latin encoding 'LATIN1' locale 'C' template template0")
    with pytest.raises(ConfigError, match="encoded in LATIN1"):
        open_database(postgres.url.replace("/postgres?", "/latin?"))
    whole.close()


def test_an_order_that_is_not_ours(server, namespace, store, postgres, monkeypatch):
    """Where the database sorts a before B, no snapshot is taken for done whose rows were not read: all comes back."""
    monkeypatch.setattr("ducto_redis.durable.snapshots.ROWS", 10)
    monkeypatch.setattr("ducto_redis.durable.restore.PAGE", 1)
    users = ("B", "a", "D", "c")
    work(store, 3, users)
    before = {user: store.get_available(user) for user in users}
    whole = Database(postgres.url)
    with whole.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "create database icu encoding 'UTF8' locale 'C' locale_provider icu icu_locale 'en-US' template template0"
        )
        assert connection.exec_driver_sql("select 'a' < 'B' collate \"en-x-icu\"").scalar()
    whole.close()
    url = postgres.url.replace("/postgres?", "/icu?")
    drain = LedgerDrain(store, url)
    drain.drain()
    Snapshots(drain.engine, namespace).update()
    drain.close()
    server.client.delete(*server.client.keys(f"{namespace}:*"))
    restore = Restore(store, url)
    assert restore.run().roots == len(users)
    restore.close()
    assert {user: store.get_available(user) for user in users} == before


def test_a_server_that_may_lose_what_it_commits():
    """Without fsync the ledger would be trimmed behind rows that are on no disk."""
    process = PostgresProcess("fsync=off")
    try:
        with pytest.raises(ConfigError, match="fsync"):
            open_database(process.url)
    finally:
        process.stop()
