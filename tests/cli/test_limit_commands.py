"""``ducto-redis limits``: set, list and remove; tables, JSON, exit codes, errors that say what to do."""

from __future__ import annotations

import json

import pytest


def told(result):
    return json.loads(result.stdout)


def test_limits_of_every_kind_are_set(run):
    """Each algorithm, each thing that is counted, bursts and scopes; credits are told as text, exactly."""
    for words in (
        ("60/minute",), ("100k/minute", "--counts", "tokens", "--algorithm", "sliding", "--model", "gpt"),
        ("2.5/day", "--counts", "amount", "--algorithm", "fixed"), ("10/second", "--burst", "50"),
        ("1.5/h", "--counts", "amount", "--burst", "0.5"), ("--concurrency", "4", "--operation-type", "chat"),
    ):  # fmt: skip
        run("limits", "set", "acme/alice", *words)
    listed = told(run("limits", "list", "acme/alice", "--json"))
    names = ("algorithm", "counts", "limit", "period_ms", "burst")
    assert [tuple(each[name] for name in names) for each in listed] == [
        ("gcra", "requests", 60, 60_000, 60), ("sliding", "tokens", 100_000, 60_000, None),
        ("fixed", "amount", "2.5", 86_400_000, None), ("gcra", "requests", 10, 1_000, 50),
        ("gcra", "amount", "1.5", 3_600_000, "0.5"), ("concurrency", "requests", 4, 0, None),
    ]  # fmt: skip
    assert [(each["model"], each["operation_type"]) for each in listed if each["model"] or each["operation_type"]] == [
        ("gpt", None), (None, "chat"),
    ]  # fmt: skip
    assert {each["scope"] for each in listed} == {"acme/alice"}


def test_the_list_says_what_is_used_and_left(run):
    """After an admission: rates and open holds, as a table and as JSON; an account without limits has an empty list."""
    run.store.add_credits("alice", 100)
    assert told(run("limits", "list", "alice", "--json")) == []
    run("limits", "set", "alice", "10/day", "--algorithm", "fixed")
    run("limits", "set", "alice", "--concurrency", "4")
    run.store.reserve("alice", 1)
    rate, concurrent = told(run("limits", "list", "alice", "--json"))
    assert (rate["used"], rate["remaining"], 0 < rate["reset_after"] <= 86_400) == (1, 9, True)
    assert (concurrent["used"], concurrent["remaining"], concurrent["reset_after"]) == (1, 3, None)
    table = run("limits", "list", "alice").output
    for cell in ("10 per day", "fixed", "9", "open holds", "4 at once", "when they end"):
        assert cell in table


def test_setting_again_replaces_and_keeps_what_was_used(run):
    """The same counts, period, model and type: one limit, with the use of the one before."""
    run.store.add_credits("alice", 100)
    run("limits", "set", "alice", "10/day", "--algorithm", "fixed")
    run.store.deduct("alice", 1)
    (only,) = told(run("limits", "set", "alice", "20/day", "--algorithm", "fixed", "--json"))
    assert (only["limit"], only["used"], only["remaining"]) == (20, 1, 19)


def test_limits_are_removed_by_what_they_are_known_by(run):
    """Counts, period, model and type: the number, the algorithm and the burst say nothing; exit code 1 for none."""
    run("limits", "set", "alice", "60/minute", "--algorithm", "sliding")
    run("limits", "set", "alice", "1g/week", "--counts", "tokens", "--algorithm", "fixed")
    run("limits", "set", "alice", "--concurrency", "4", "--operation-type", "chat")
    assert "no such limit of tokens per minute" in run("limits", "remove", "alice", "minute", "--counts", "tokens",
                                                       code=1).output  # fmt: skip
    assert "open holds" in run("limits", "remove", "alice", "--concurrency", code=1).output
    assert "removed the limit of requests per minute" in run("limits", "remove", "alice", "9/minute").output
    removed = told(run("limits", "remove", "alice", "1g/week", "--counts", "tokens", "--json"))
    assert (removed["removed"], removed["counts"], removed["rate"]) == (True, "tokens", "1g/week")
    run("limits", "remove", "alice", "--concurrency", "--operation-type", "chat")
    assert told(run("limits", "list", "alice", "--json")) == []
    assert told(run("limits", "remove", "alice", "minute", "--json", code=1))["removed"] is False


@pytest.mark.parametrize(("words", "says"), [
    (["set", "alice"], "give a rate such as 60/minute, or --concurrency 4"),
    (["set", "alice", "60/minute", "--concurrency", "4"], "one of them"),
    (["set", "alice", "60/fortnight"], "RATE: a rate is '<number>/<period>'"),
    (["set", "alice", "[/]"], "RATE: a rate is '<number>/<period>'"),
    (["set", "alice", "0/minute"], "more than 0"),
    (["set", "alice", "5/s", "--counts", "calls"], "--counts: Input should be 'requests', 'amount' or 'tokens'"),
    (["set", "alice", "5/s", "--algorithm", "leaky"], "--algorithm: Input should be 'gcra', 'fixed' or 'sliding'"),
    (["set", "alice", "5/s", "--algorithm", "fixed", "--burst", "9"], "burst goes with algorithm='gcra' alone"),
    (["set", "alice", "5/s", "--burst", "many"], "--burst: burst must be a number"),
    (["set", "alice", "5/s", "--burst", "1.5"], "needs counts='amount'"),
    (["set", "alice", "5/s", "--operation-type", "x" * 65], "--operation-type: operation_type must be text of 1 to 64"),
    (["set", "alice", "1000000g/week", "--counts", "tokens"], "use algorithm='fixed' or a shorter period"),
    (["set", "alice", "100000000g/week", "--counts", "amount"], "too large"),
    (["set", "alice", "--concurrency", "0"], "--concurrency: max_concurrent must be a whole number"),
    (["set", "alice", "--concurrency", "4", "--burst", "9"], "go with a rate"),
    (["set", "", "60/minute"], "invalid_id"),
    (["list", "nobody"], "account_unknown"),
    (["remove", "alice"], "give a rate such as 60/minute, or --concurrency for open holds"),
    (["remove", "alice", "60/minute", "--concurrency"], "one of them"),
    (["remove", "alice", "fortnight"], "RATE: a rate is '<number>/<period>'"),
])  # fmt: skip
def test_what_cannot_be_done_says_what_to_do(run, words, says):
    """Exit code 2, one message on standard error, no traceback, nothing written."""
    result = run("limits", *words, code=2)
    assert says in result.stderr
    assert result.stdout == ""
    assert run.store.list_accounts() == []


def test_the_thirty_third_limit_is_told(run):
    """At most 32 of an account: the code says so."""
    for seconds in range(1, 33):
        run("limits", "set", "alice", f"5/{seconds}s")
    assert "too_many_limits" in run("limits", "set", "alice", "5/33s", code=2).stderr
