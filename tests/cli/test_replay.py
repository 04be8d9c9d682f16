"""The replay of a trace: its books balance on both engines, a fault in them is found, bad traces are told by line."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest
from traces import write_trace
from typer.testing import CliRunner

from ducto_redis import RedisStore
from ducto_redis.cli.app import app
from ducto_redis.cli.replay import Replay
from ducto_redis.cli.trace import TraceError, draw_users, read_trace

REQUESTS = 600


@pytest.fixture
def trace(tmp_path):
    """A trace of bursts: some requests generate more than max_tokens."""
    return write_trace(tmp_path / "trace.csv", REQUESTS)


def replay(trace, *words, code=0):
    result = CliRunner().invoke(app, ["replay", "--trace", str(trace), "--json", "--users", "40", *words])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_books_balance_on_a_real_server(server, namespace, trace, record_property):
    """16 threads: grants = balances + charges to the last unit, no deny cap passed, nothing held, ledger = state."""
    told = replay(trace, "--redis", server.url, "--namespace", namespace)
    record_property(
        "figure",
        f"replay: {told['requests']} requests, {told['admitted']} admitted, difference {told['difference']}, "
        f"highest spend / deny cap {Decimal(told['highest_ratio']):.4f}",
    )
    assert (told["requests"], told["ok"], told["difference"], told["still_held"]) == (REQUESTS, True, "0", "0")
    assert told["admitted"] + sum(told["denied"].values()) == REQUESTS
    assert min(told["denied"]["cap_reached"], told["denied"]["insufficient_credits"], told["warned_or_notified"]) > 10
    assert told["admitted"] > REQUESTS / 3
    assert Decimal("0.8") < Decimal(told["highest_ratio"]) <= 1


def test_the_embedded_engine_too(trace):
    """Without a server."""
    assert replay(trace, "--requests", "100", "--workers", "4")["ok"] is True


def test_the_same_seed_draws_the_same_users():
    """And a Zipf draw is unequal: the first user has many times what the last ones have."""
    users = draw_users(5_000, 500, 7)
    assert users == draw_users(5_000, 500, 7) != draw_users(5_000, 500, 8)
    counts = Counter(users)
    assert counts[0] > 20 * counts[400]


def test_a_namespace_that_exists_is_refused(server, namespace, trace):
    """The books of another run would be mixed with this one's."""
    replay(trace, "--requests", "5", "--redis", server.url, "--namespace", namespace)
    result = CliRunner().invoke(app, ["replay", "--trace", str(trace), "--redis", server.url, "--namespace", namespace])
    assert (result.exit_code, "exists already" in result.output) == (2, True)


@pytest.mark.parametrize("fault", ["a charge is not told", "a grant is not told", "a hold is left"])
def test_books_that_do_not_balance_are_found(server, namespace, trace, fault):
    """A planted fault in what was told, or a hold that stays, makes the check fail."""
    rows = read_trace(trace, 60)
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        store.setup()
        run = Replay(store, rows, draw_users(60, 5, 7), 2048)
        run.prepare(lambda: None)
        run.run(4, lambda: None)
        assert run.check()["ok"] is True
        if fault == "a charge is not told":
            run.books.billed -= Decimal("0.0001")
        elif fault == "a grant is not told":
            store.add_credits(run.names[0], "0.0001")
        else:
            store.add_credits(run.names[0], 5)
            run.granted += 5
            assert store.reserve_credits(run.names[0], 1).error is None
        assert run.check()["ok"] is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns"),
        ("TIMESTAMP,ContextTokens\n", "GeneratedTokens missing"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "no requests"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,2\n2023-11-16 18:17:03,1,x\n", "line 3"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,-1,2\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1\n", "line 2"),
    ],
)
def test_bad_traces_are_told_by_line(tmp_path, text, message):
    """Before anything is sent."""
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=message):
        read_trace(path)
    result = CliRunner().invoke(app, ["replay", "--trace", str(path)])
    assert (result.exit_code, message in " ".join(result.output.split())) == (2, True)


def test_an_absent_trace_is_told(tmp_path):
    """Exit code 2."""
    assert CliRunner().invoke(app, ["replay", "--trace", str(tmp_path / "none.csv")]).exit_code == 2
