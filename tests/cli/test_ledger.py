"""``ducto-redis ledger`` and ``verify --sql``: both sources, every filter, following, JSON, what could not be read."""

from __future__ import annotations

import json
import sys

import pytest
from sql_rows import change
from typer.testing import CliRunner

from ducto_redis import SpendCap
from ducto_redis.cli import ledger as command
from ducto_redis.cli.app import app
from ducto_redis.core import listing as streams
from ducto_redis.core.entries import Kind
from ducto_redis.durable import LedgerDrain
from ducto_redis.durable import listing as rows


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def drain(run, url):
    made = LedgerDrain(run.store, url, trim=False)
    yield made
    made.close()


def work(store, user="alice", key="k"):
    store.add_credits(user, 100, "purchase")
    store.set_spend_cap(SpendCap(user_id=user, limit=50))
    hold = store.reserve(user, 10, "chat", model="gpt", idempotency_key=f"h/{key}")
    store.settle(user, hold, "7.5")
    store.deduct(user, 1, "image", idempotency_key=f"d {key}")


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(params=["redis", "sql"])
def told(request, run, drain, url):
    """Lists entries as JSON from each source; what was done before is drained."""

    def call(*words):
        drain.drain()
        from_sql = ("--sql", url) if request.param == "sql" else ()
        result = run("ledger", "--json", *words, *from_sql)
        assert ("from SQL" in result.stderr) == bool(from_sql)
        return lines(result)

    return call


def test_entries_are_listed_oldest_first(run, told):
    """Every kind, with amounts, the operation, and what its hold says; both sources tell the same."""
    work(run.store)
    listed = told()
    assert [each["kind"] for each in listed] == ["open", "open", "grant", "cap_set", "hold", "settle", "charge"]
    settle = listed[5]
    assert (settle["user_id"], settle["amount"], settle["balance_after"], settle["operation_id"]) == (
        "alice", "7.5", "92.5", "h/k",
    )  # fmt: skip
    assert (settle["model"], settle["operation_type"], settle["payer"]) == ("gpt", "chat", "alice")
    assert listed[3]["amount"] == "50"


def test_every_filter(run, told, monkeypatch):
    """Account, kinds, operation, times and the number of them; each alone and together."""
    work(run.store)
    work(run.store, "a b/c%d", "other")
    assert {each["user_id"] for each in told("--account", "a b/c%d")} == {"a b/c%d"}
    assert [each["kind"] for each in told("--account", "a b/c%d", "--kind", "hold", "--kind", "grant")] == [
        "grant",
        "hold",
    ]
    assert [each["kind"] for each in told("--operation", "h/other")] == ["hold", "settle"]
    assert [each["kind"] for each in told("--operation", "d k")] == ["charge"]
    everything = told()
    assert told("--limit", "3") == everything[-3:]
    assert told("--limit", "1", "--account", "alice")[0]["operation_id"] == "d k"
    last = everything[-1]["at"]
    assert told("--since", "1h") == everything
    assert told("--until", "1h") == []
    assert told("--until", last) == [each for each in everything if each["at"] < last]
    assert told("--since", last) == [each for each in everything if each["at"] >= last]
    monkeypatch.setattr(command, "now", lambda: 4_000_000_000.0)
    assert told("--since", "2w") == []
    assert told("--since", "2w", "--until", "3000-01-01") == []
    assert told("--account", "nobody") == []


def test_pages_are_small(run, told, monkeypatch):
    """However little is read at a time, and however many entries fall into one millisecond."""
    monkeypatch.setattr(streams, "PAGE", 2)
    monkeypatch.setattr(rows, "PAGE", 2)
    for at in range(8):
        run.store.add_credits("alice", at, idempotency_key=f"{at}")
    assert [each["operation_id"] for each in told("--kind", "grant")] == [f"{at}" for at in range(8)]
    for limit in (1, 2, 5):
        listed = told("--kind", "grant", "--limit", f"{limit}")
        assert [each["operation_id"] for each in listed] == [f"{at}" for at in range(8 - limit, 8)]


def test_one_millisecond_has_an_order(run, server, drain, url, monkeypatch):
    """Stream ids are text in SQL: "5-10" comes before "5-9" there, not here."""
    monkeypatch.setattr(rows, "PAGE", 3)
    store = run.store
    store.setup(create=False)
    ledger = store._space.keys.account("alice").keys[4]
    store.add_credits("alice", 1)
    [_, (_, fields)] = server.client.xrange(ledger)
    packed = fields[b"e"]
    for number in range(15):
        entry = packed[:6] + (number + 2).to_bytes(5, "little") + packed[11:]
        server.client.xadd(ledger, {"e": entry}, id=f"9999999999999-{number}")
    drain.drain()
    for limit in (1, 4, 15):
        listed = lines(run("ledger", "--json", "--sql", url, "--limit", f"{limit}"))
        numbers = [int(each["transaction_id"].rpartition("-")[2]) for each in listed]
        assert numbers == list(range(15 - limit, 15))
    followed = []

    def wait(_seconds):
        if followed:
            raise KeyboardInterrupt
        followed.append(1)
        for number in range(15, 30):
            entry = packed[:6] + (number + 2).to_bytes(5, "little") + packed[11:]
            server.client.xadd(ledger, {"e": entry}, id=f"9999999999999-{number}")
        drain.drain()

    monkeypatch.setattr(command, "pause", wait)
    listed = lines(run("ledger", "--json", "--sql", url, "--limit", "1", "--follow"))
    numbers = sorted(int(each["transaction_id"].rpartition("-")[2]) for each in listed)
    assert numbers == list(range(14, 30))


@pytest.mark.parametrize("from_sql", [False, True])
def test_following(run, drain, url, monkeypatch, from_sql):
    """What comes between two looks is told by the next one, once, filtered; Ctrl-C ends it cleanly."""
    monkeypatch.setattr(streams, "PAGE", 2)
    monkeypatch.setattr(rows, "PAGE", 2)
    work(run.store)
    drain.drain()
    looks = []

    def wait(seconds):
        looks.append(seconds)
        if len(looks) == 4:
            raise KeyboardInterrupt
        if len(looks) != 2:
            work(run.store, "bob", f"{len(looks)}")
            work(run.store, "carol", f"{len(looks)}")
        drain.drain()

    monkeypatch.setattr(command, "pause", wait)
    where = ("--sql", url) if from_sql else ()
    result = run("ledger", "--follow", "--kind", "charge", "--kind", "settle", *where)
    told = [line.split(" ", 2)[2] for line in result.stdout.splitlines()]
    assert told[:2] == [
        "alice settle 7.5, balance 92.5 [h/k] chat gpt",
        "alice charge 1, balance 91.5 [d k] image",
    ]
    assert sorted(line.split()[0] for line in told[2:]) == ["bob"] * 4 + ["carol"] * 4
    assert len(set(told)) == len(told)
    assert "settle 7.5" in told[2]
    assert "chat gpt" in told[2]
    assert looks == [1.0] * 4


def test_the_table_says_where_it_is_from(run, drain, url):
    """Title and rows; another payer is named; names are no markup."""
    run.store.add_credits("team", 50)
    run.store.open_account("team/[red]x")
    run.store.set_payer("team/[red]x", "team")
    run.store.deduct("team/[red]x", 2, "chat")
    drain.drain()
    for words, source in (((), "what they still hold"), (("--sql", url), "from SQL")):
        shown = run("ledger", *words).stdout
        assert source in shown
        assert "team/[red]x (paid by team)" in shown


def test_a_hold_whose_entry_was_trimmed(run, server):
    """Redis' streams tell what they have; nothing is made up."""
    run.store.add_credits("a", 10)
    hold = run.store.reserve("a", 1, "chat")
    server.client.xtrim(run.store._space.keys.account("a").keys[4], maxlen=0, approximate=False)
    run.store.settle("a", hold, 1)
    [settled] = lines(run("ledger", "--json", "--account", "a"))
    assert (settled["kind"], settled["payer"], settled["operation_type"]) == ("settle", None, "")


def test_what_cannot_be_read(run, server, drain, url):
    """In a stream it is a line of its own; in SQL it is counted, and listed with its reason."""
    run.store.add_credits("alice", 1)
    ledger = run.store._space.keys.account("alice").keys[4]
    server.client.xadd(ledger, {"e": b"\1poison"})
    server.client.xadd(ledger, {"[/x]": b"\xff"})
    listed = lines(run("ledger", "--json"))
    assert [each["kind"] for each in listed][-2:] == ["unreadable", "unreadable"]
    assert listed[-2]["metadata"] == {"unreadable": b"\1poison".hex()}
    assert [each["kind"] for each in lines(run("ledger", "--json", "--kind", "grant"))] == ["grant"]
    drain.drain()
    assert "2 entries could not be read" in run("ledger", "--sql", url).stderr
    assert [each["data"] for each in lines(run("ledger", "--dead", "--json", "--sql", url))] == [
        b"\1poison".hex(), b"[/x]\xff".hex(),
    ]  # fmt: skip
    shown = run("ledger", "--dead", "--sql", url).stdout
    assert "2 entries of" in shown
    assert "it does not have the one field of an entry" in shown
    assert len(lines(run("ledger", "--dead", "--limit", "1", "--json", "--sql", url))) == 1


def test_a_row_that_somebody_broke(run, drain, url):
    """Is named, with exit code 2."""
    work(run.store)
    drain.drain()
    change(url, "update ducto_ledger set data = :data where kind = 9", data=b"\1")
    assert "of ducto_ledger holds no entry" in run("ledger", "--sql", url, code=2).stderr


@pytest.mark.parametrize(("words", "message"), [
    (("--kind", "refunds"), "kinds are a list of grant, hold"),
    (("--since", "yesterday"), "--since takes a time such as"),
    (("--until", "99999999w"), "--until takes a time"),
    (("--since", "999999w"), "--since takes a time"),
    (("--limit", "0"), "limit must be 1 to 10000"),
    (("--account", "a//b"), "invalid_id"),
    (("--dead",), "--dead needs --sql"),
    (("--sql", "nothing://x"), "ConfigError"),
    (("--sql", "sqlite:////nowhere/ledger.db"), "no such database"),
])  # fmt: skip
def test_what_is_asked_badly(run, words, message):
    """A message and exit code 2; nothing is listed."""
    result = run("ledger", *words, code=2)
    assert (message in " ".join(result.stderr.split()), result.stdout) == (True, "")


def test_a_missing_extra_is_told(run, monkeypatch):
    """Without SQLAlchemy the message names the command that installs it."""
    for name in [name for name in sys.modules if name.startswith(("sqlalchemy", "ducto_redis.durable"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("ducto_redis.durable")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for words in (("ledger",), ("ledger", "--dead"), ("verify",)):
        assert "pip install 'ducto-redis[durable]'" in run(*words, "--sql", "sqlite:///x.db", code=2).output


def test_help_and_completion():
    """An example in the help; kinds are completed."""
    result = CliRunner().invoke(app, ["ledger", "--help"])
    assert result.exit_code == 0
    assert "ducto-redis ledger --account" in result.output
    assert command._complete_kind("plan") == ["plan_set"]
    assert command._complete_kind("") == [kind.name.lower() for kind in Kind]


def test_verify_sql_on_the_command_line(run, drain, url):
    """A table and JSON; exit code 1 where something differs; without --sql nothing changes."""
    work(run.store)
    work(run.store, "b/c")
    drain.drain()
    result = json.loads(run("verify", "--sql", url, "--json").stdout)
    assert (result["roots"], result["differences"], result["missing"], result["dead"]) == (2, [], 0, 0)
    assert result["books"] == {
        "granted": 2_000_000, "charged": 170_000, "balances": 1_830_000, "redis_charged": 170_000,
        "redis_balances": 1_830_000,
    }  # fmt: skip
    shown = run("verify", "--sql", url).stdout
    assert "170,000 + 1,830,000" in shown
    assert "balance" in shown
    change(url, "delete from ducto_ledger where root = 'alice' and sequence = 3")
    assert "entry 4 follows entry 2" in run("verify", "--sql", url, code=1).stdout
    assert set(json.loads(run("verify", "--json").stdout)) == {
        "roots", "entries", "holds", "newer", "unverifiable", "differences",
    }  # fmt: skip
    assert "no such database" in run("verify", "--sql", "sqlite:////nowhere/x.db", code=2).output
