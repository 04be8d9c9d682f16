"""``ducto-redis snapshot`` and ``restore``: there and back on the command line, on and on, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest
from typer.testing import CliRunner

from ducto_redis import RedisStore
from ducto_redis.cli import snapshots
from ducto_redis.cli.app import app


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


def test_there_and_back(run, server, namespace, url):
    """Carried, wiped, restored; each command tells what it did, in JSON too."""
    run.store.add_credits("alice", 100)
    run.store.deduct("alice", 30)
    assert "4 entries carried, 0 wait, 0 snapshots behind" in run("snapshot", "--to", url).output
    told = json.loads(run("snapshot", "--to", url, "--json").output)
    assert (told["rows"], told["entries"], told["active"], told["dead"]) == (0, 0, True, 0)
    server.client.delete(*server.client.keys(f"{namespace}:*"))
    done = json.loads(run("restore", "--from", url, "--json").output)
    assert (done["roots"], done["already"], done["dropped"]) == (1, 0, 0)
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        assert store.get_balance("alice").balance == 70
    refused = run("restore", "--from", url, code=2)
    assert "needs no restore" in refused.output.replace("\n", " ")
    assert "roots" in run("restore", "--from", url, "--prefer", "sql", "--rebuild").output


def test_on_and_on_until_it_is_stopped(run, server, namespace, url, monkeypatch):
    """What comes between two runs is carried by the next; a failing run is told and tried again; SIGTERM ends it."""
    waits = []
    run.store.add_credits("alice", 1)

    def wait(stop, seconds):
        waits.append(seconds)
        run.store.add_credits("alice", 1)
        if len(waits) == 2:
            server.client.rename(f"{namespace}:{{1}}:ledger", f"{namespace}:away")
        if len(waits) == 3:
            server.client.rename(f"{namespace}:away", f"{namespace}:{{1}}:ledger")
        if len(waits) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return stop.is_set()

    monkeypatch.setattr(snapshots, "wait", wait)
    lines = run("snapshot", "--to", url, "--every", "500ms").output.splitlines()
    assert lines[0].startswith("3 entries carried")
    assert lines[1].startswith("1 entries carried")
    assert "no such key" in " ".join(lines)
    assert waits == [0.5] * 4
    assert server.client.xlen(f"{namespace}:{{0}}:ledger") + server.client.xlen(f"{namespace}:{{1}}:ledger") == 0


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("250ms", 0.25), ("2", 2), ("1.5m", 90), ("1h", 3600)])
def test_durations(text, seconds):
    """A number with a unit; seconds without."""
    assert snapshots.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1s", "soon", "1d", "0s"])
def test_no_durations(run, url, text):
    """Told with examples."""
    assert "is no duration" in run("snapshot", "--to", url, "--every", text, code=2).output.replace("\n", " ")


def test_what_cannot_be_done_is_told(run, url, tmp_path, monkeypatch):
    """No server, no such database, nothing there, a missing extra: exit code 2 and what to do."""
    for words in (["restore", "--from", url], ["snapshot", "--to", url], ["verify", "--sql", url]):
        away = CliRunner().invoke(app, words)
        assert (away.exit_code, "name a server with --redis" in away.output.replace("\n", " ")) == (2, True)
    assert "nothing of namespace" in run("restore", "--from", url, code=2).output.replace("\n", " ")
    assert "cannot be opened" in run("snapshot", "--to", f"sqlite:///{tmp_path}/none/x.db", code=2).output
    for name in [name for name in sys.modules if name.startswith(("sqlalchemy", "ducto_redis.durable"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("ducto_redis.durable")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for words in (("restore", "--from"), ("snapshot", "--to")):
        assert "pip install 'ducto-redis[durable]'" in run(*words, url, code=2).output


def test_redis_is_what_counts(run, server, namespace, url):
    """A Redis that went on from an older state: what SQL would give up is told, then set aside; snapshots go on."""
    run.store.add_credits("alice", 100)
    run("snapshot", "--to", url)
    older = {key: server.client.dump(key) for key in server.client.keys(f"{namespace}:*")}
    run.store.deduct("alice", 30, idempotency_key="lost")
    run("snapshot", "--to", url)
    for key, data in older.items():
        server.client.restore(key, 0, data, replace=True)
    run.store.deduct("alice", 10, idempotency_key="kept")
    for _ in range(2):
        refused = run("snapshot", "--to", url, code=2).output.replace("\n", " ")
        assert "alice #2 (operation kept)" in refused
        assert "--prefer redis" in refused
        told = json.loads(run("restore", "--from", url, "--prefer", "redis", "--dry-run", "--json").output)
        assert (told["rows_given_up"], told["charged"], told["operations"]) == (1, "30", ["alice #2 (operation lost)"])
    shown = run("restore", "--from", url, "--prefer", "redis").output
    assert "Given up by SQL" in shown
    assert "alice #2 (operation lost)" in shown
    assert "1 entries carried" in run("snapshot", "--to", url).output
    [dead] = run("ledger", "--dead", "--sql", url, "--json").stdout.splitlines()
    assert json.loads(dead)["reason"] == "given up: prefer redis, alice #2 (operation lost)"
    assert "differences" in run("verify", "--sql", url).output


@pytest.mark.parametrize(("words", "message"), [
    (("--dry-run",), "--dry-run goes with --prefer redis"),
    (("--dry-run", "--prefer", "sql"), "--dry-run goes with --prefer redis"),
    (("--rebuild", "--prefer", "redis"), "--rebuild does not go with --prefer redis"),
    (("--prefer", "redis"), "nothing of namespace"),
    (("--prefer", "redis", "--dry-run"), "no such database"),
])  # fmt: skip
def test_choices_that_do_not_go_together(run, url, words, message):
    """Exit code 2, and why."""
    assert message in run("restore", "--from", url, *words, code=2).output.replace("\n", " ")
