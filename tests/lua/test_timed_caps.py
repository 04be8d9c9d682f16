"""Caps with a counter of their own: other periods, other zones, single models (docs/operations.md, docs/clock.md)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lua_kit import ADMIT, DAY, DENY, HOUR, NOW, STRICT, WARN, Engine
from lua_records import PERIOD, notes_in

from ducto_redis.codes import Code
from ducto_redis.core.packed import NOTE_FIRST, NOTE_OVER, NOTE_TIMED, packed
from ducto_redis.periods import FOREVER_MS, KIND_OF, NAME_OF, period_bounds

HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY, TOTAL = (
    KIND_OF[name] for name in ("hourly", "daily", "weekly", "monthly", "yearly", "total")
)
BERLIN = "Europe/Berlin"


def label(model: str = "") -> bytes:
    return b"\x05usage" + bytes([len(model)]) + model.encode() + b"\0"


def at_ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)


def bounds(kind: int, now: int, zone: str = "") -> tuple[int, int, int, int]:
    return (*period_bounds(NAME_OF[kind], now, zone), *period_bounds(NAME_OF[kind], now, ""))


class Caps:
    """An engine with shorter words for caps and charges; zoned periods are rolled as the library does."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.number = 0
        engine.grant("seed", 10_000)

    def cap(self, limit, kind, *, zone="", model="", action=DENY, path=""):
        self.number += 1
        reply = self.engine.set_cap(
            f"c{self.number}", limit, kind, action, path, zone=zone, model=model,
            bounds=bounds(kind, self.engine.now, zone),
        )  # fmt: skip
        assert reply.code == Code.OK
        return reply

    def spend(self, amount, model="", path=""):
        """A charge through a hold; the code of what refused it."""
        self.number += 1
        held = self.engine.reserve(f"h{self.number}", amount, path, label=label(model))
        if held.code == Code.OK:
            assert self.engine.settle(f"h{self.number}", amount, path).code == Code.OK
        return held.code

    def roll(self, path=""):
        """What is due, answered with the right periods; the items that were due."""
        reply = self.engine.run("roll_caps", path, "", b"")
        items = list(zip(reply[2::4], reply[3::4], reply[4::4], reply[5::4], strict=True))
        periods = b""
        for level, kind, zone, model in items:
            start, end = period_bounds(NAME_OF[kind], self.engine.now, zone.decode())
            periods += self.period(level, kind, model, start, end)
        if items:
            assert self.engine.run("roll_caps", path, "", periods) == [Code.OK, self.engine.now]
        return items

    @staticmethod
    def period(level, kind, model, start, end):
        head = len(level).to_bytes(2, "little") + level + bytes([kind, len(model)]) + model
        return head + packed(start, 6) + packed(end, 6)

    def timed(self, path=""):
        return self.engine.read(path).timed[-1]


@pytest.fixture
def caps(engine):
    return Caps(engine)


@pytest.mark.parametrize(("kind", "length"), [(HOURLY, HOUR), (WEEKLY, 7 * DAY)])
def test_a_fixed_period_of_utc_rolls_by_itself(caps, kind, length):
    """Spend may reach the limit within the hour or week (from Monday); the next millisecond of a period starts at 0."""
    caps.cap(10, kind)
    start, end = period_bounds(NAME_OF[kind], NOW, "")
    assert end - start == length
    assert datetime.fromtimestamp(start / 1000, UTC).weekday() == 0
    assert caps.spend(10) == Code.OK
    assert caps.spend(1) == Code.CAP_REACHED
    caps.engine.now = end - 1
    assert caps.spend(1) == Code.CAP_REACHED
    caps.engine.now = end
    assert caps.spend(10) == Code.OK
    [cap] = caps.timed()
    assert (cap.start_ms, cap.end_ms, cap.since_ms, cap.spent) == (end, end + length, NOW, 10)


def test_total_looks_at_what_was_ever_spent(caps):
    """Without a model it is a simple cap: it knows what was spent before it was registered, and never rolls."""
    assert caps.spend(7) == Code.OK
    caps.cap(10, TOTAL)
    caps.engine.now += 400 * DAY
    assert caps.spend(4) == Code.CAP_REACHED
    assert caps.spend(3) == Code.OK
    assert caps.timed() == ()


def test_others_count_from_their_registration(caps):
    """An hourly cap does not know what was spent in its hour before."""
    assert caps.spend(7) == Code.OK
    caps.cap(10, HOURLY)
    assert caps.spend(10) == Code.OK
    assert caps.spend(1) == Code.CAP_REACHED


def test_a_cap_of_a_model_counts_that_model_alone(caps):
    """Another model, or none, neither counts nor is refused; a cap of all models counts them all."""
    caps.cap(10, DAILY, model="gpt")
    caps.cap(25, DAILY)
    assert caps.spend(8, "gpt") == Code.OK
    assert caps.spend(3, "gpt") == Code.CAP_REACHED
    assert caps.spend(9, "llama") == Code.OK
    assert caps.spend(3) == Code.OK
    assert caps.spend(6, "llama") == Code.CAP_REACHED
    assert caps.spend(2, "gpt") == Code.OK
    caps.engine.now += DAY
    assert caps.spend(10, "gpt") == Code.OK


def test_what_is_held_for_a_model_counts_in_its_cap(caps):
    """Holds of the model are admitted against it, and leave it by settling, release, refusal and expiry."""
    engine = caps.engine
    caps.cap(100, DAILY, model="gpt")
    for at in range(5):
        assert engine.reserve(f"g{at}", 10, label=label("gpt"), ttl=1_000 if at == 4 else 600_000).code == Code.OK
    assert engine.reserve("other", 500, label=label("llama")).code == Code.OK
    assert caps.timed()[0].held == 50
    assert engine.reserve("more", 51, label=label("gpt")).code == Code.CAP_REACHED
    engine.settle("g0", 4)
    engine.release("g1")
    assert engine.deduct("g2", 5_000).code == Code.CAP_REACHED
    engine.run("extend", "", "hg3", "ee", 7, 0, 0)
    assert (caps.timed()[0].held, caps.timed()[0].spent) == (27, 4)
    engine.now += 1_000
    engine.grant("w", 1)
    assert caps.timed()[0].held == 17
    assert engine.settle("g3", 17).charged == 17
    assert (caps.timed()[0].held, caps.timed()[0].spent) == (0, 21)


def test_open_holds_count_in_a_cap_of_their_model_registered_later(caps):
    """Also those below, not those of others beside; their admission gives no more room than they took."""
    engine = caps.engine
    engine.grant("a", 100, path="search/alice")
    engine.grant("b", 100, path="chat")
    engine.reserve("h", 10, "search/alice", label=label("gpt"))
    engine.reserve("i", 20, "search/alice", label=label("llama"))
    engine.reserve("j", 30, "chat", label=label("gpt"))
    caps.cap(50, DAILY, model="gpt", path="search")
    assert caps.timed("search")[0].held == 10
    assert engine.reserve("k", 41, "search/alice", label=label("gpt")).code == Code.CAP_REACHED
    assert engine.settle("h", 10, "search/alice").charged == 10
    assert (caps.timed("search")[0].held, caps.timed("search")[0].spent) == (0, 10)


def test_a_cap_registered_by_the_script_that_frees_a_hold_does_not_count_it(caps):
    """The hold is over, though its record still says open when the cap is made."""
    engine = caps.engine
    engine.grant("a", 100)
    engine.reserve("h", 10, label=label("gpt"))
    engine.now += 600_000
    caps.cap(50, DAILY, model="gpt")
    assert caps.timed()[0].held == 0
    assert engine.reserve("k", 50, label=label("gpt")).code == Code.OK


def test_settling_with_another_model_has_no_admitted_part_there(caps):
    """A hold admitted for llama that is settled as gpt is bound by the room of gpt's cap alone (SPEC 4)."""
    engine = caps.engine
    caps.cap(5, DAILY, model="gpt")
    engine.reserve("h", 20, label=label("llama"))
    options = bytes([0, 3]) + b"gpt" + packed(0) + packed(600_000, 6) + b"\0\0"
    settled = engine.settle("h", 20, options=options)
    assert (settled.charged, settled.asked) == (5, 20)
    assert caps.timed()[0].spent == 5


def test_a_zoned_day_is_the_calendar_day_there(caps):
    """Berlin's day ends at 22:00 UTC in summer; past it every script asks for the next one and nothing is decided."""
    engine = caps.engine
    caps.cap(10, DAILY, zone=BERLIN)
    assert caps.spend(10) == Code.OK
    end = at_ms(2026, 6, 15, 22)
    assert caps.timed()[0].end_ms == end
    engine.now = end - 1
    assert caps.spend(1) == Code.CAP_REACHED
    engine.now = end
    with engine.unchanged():
        assert engine.reserve("h", 1).code == Code.ROLL_NEEDED
        assert engine.settle("h", 1).code == Code.ROLL_NEEDED
        assert engine.release("h").code == Code.ROLL_NEEDED
        assert engine.grant("g", 1).code == Code.ROLL_NEEDED
        assert engine.read().code == Code.ROLL_NEEDED
    assert caps.roll() == [(b"", DAILY, BERLIN.encode(), b"")]
    assert engine.kinds()[-1] == PERIOD
    assert caps.spend(10) == Code.OK
    assert caps.spend(1) == Code.CAP_REACHED


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_days_of_summer_time_are_shorter_and_longer(caps, day, hours):
    """The day on which clocks change has 23 or 25 hours, and its spend all belongs to it."""
    engine = caps.engine
    engine.now = at_ms(*day, 12)
    caps.cap(10, DAILY, zone=BERLIN)
    [cap] = caps.timed()
    assert cap.end_ms - cap.start_ms == hours * HOUR
    engine.now = cap.end_ms - 1
    assert caps.spend(10) == Code.OK
    engine.now = cap.end_ms
    caps.roll()
    assert caps.timed()[0].start_ms == cap.end_ms
    assert caps.spend(10) == Code.OK


def test_wrong_periods_are_not_taken(caps):
    """Only start <= now < end, only an item that is due; what begins too early is cut at the last period's end."""
    engine = caps.engine
    caps.cap(10, DAILY, zone=BERLIN)
    old = caps.timed()[0]
    current = caps.period(b"", DAILY, b"", old.start_ms - DAY, old.end_ms + DAY)
    with engine.unchanged():
        assert engine.run("roll_caps", "", "", current) == [Code.OK, engine.now]
    engine.now = old.end_ms + HOUR
    due = [b"", DAILY, BERLIN.encode(), b""]
    wrong = [(engine.now + 1, engine.now + DAY), (engine.now - DAY, engine.now), (engine.now, engine.now)]
    for start, end in wrong:
        with engine.unchanged():
            assert engine.run("roll_caps", "", "", caps.period(b"", DAILY, b"", start, end))[2:] == due
    with engine.unchanged():
        other = caps.period(b"", WEEKLY, b"", engine.now, engine.now + 1) + caps.period(b"x", DAILY, b"", 0, FOREVER_MS)
        assert engine.run("roll_caps", "", "", other)[2:] == due
    early = caps.period(b"", DAILY, b"", old.start_ms, engine.now + 5)
    assert engine.run("roll_caps", "", "", early) == [Code.OK, engine.now]
    [cap] = caps.timed()
    assert (cap.start_ms, cap.end_ms) == (old.end_ms, engine.now + 5)


@pytest.mark.parametrize(("kind", "zone"), [(HOURLY, ""), (DAILY, BERLIN), (MONTHLY, BERLIN), (YEARLY, "")])
def test_a_wobble_at_a_boundary_spends_nothing_twice(caps, kind, zone):
    """Forward, back by ten milliseconds, forward: each period goes on with its own spend, no unit more is admitted."""
    engine = caps.engine
    caps.cap(10, kind, zone=zone)
    end = caps.timed()[0].end_ms
    engine.now = end + 5
    caps.roll()
    assert caps.spend(10) == Code.OK
    for _ in range(3):
        engine.now -= 10
        caps.roll()
        assert caps.spend(1) == Code.CAP_REACHED
        engine.now += 10
        caps.roll()
        assert caps.spend(1) == Code.CAP_REACHED
    [cap] = caps.timed()
    assert (cap.spent, cap.start_ms) == (10, end)
    engine.now = cap.end_ms
    caps.roll()
    assert caps.spend(10) == Code.OK


def test_registering_again_replaces_and_keeps_the_spend(caps):
    """Limit and action change at once; another zone applies from the end of the present period on."""
    engine = caps.engine
    caps.cap(10, DAILY, zone=BERLIN, model="gpt")
    assert caps.spend(9, "gpt") == Code.OK
    caps.cap(5, DAILY, zone="Asia/Tokyo", model="gpt", action=WARN)
    [cap] = caps.timed()
    assert (cap.limit, cap.action, cap.spent, cap.zone) == (5, WARN, 9, "Asia/Tokyo")
    assert cap.end_ms == at_ms(2026, 6, 15, 22)
    engine.now = cap.end_ms
    caps.roll()
    [cap] = caps.timed()
    assert (cap.start_ms, cap.end_ms) == (at_ms(2026, 6, 15, 22), at_ms(2026, 6, 16, 15))
    assert cap.spent == 0


def test_a_simple_cap_that_gets_a_zone_goes_on_from_its_counter(caps):
    """The day's spend stays, the UTC day ends as it would have, then the zone's calendar counts."""
    engine = caps.engine
    caps.cap(10, DAILY)
    assert caps.spend(9) == Code.OK
    caps.cap(10, DAILY, zone=BERLIN)
    assert caps.spend(2) == Code.CAP_REACHED
    [cap] = caps.timed()
    assert (cap.spent, cap.start_ms, cap.end_ms) == (9, at_ms(2026, 6, 15), at_ms(2026, 6, 16))
    engine.now = cap.end_ms
    caps.roll()
    [cap] = caps.timed()
    assert (cap.start_ms, cap.end_ms) == (at_ms(2026, 6, 16), at_ms(2026, 6, 16, 22))


@pytest.mark.parametrize("zone", ["UTC;day=15", "Europe/Berlin;day=15"])
def test_a_simple_cap_that_gets_an_anchor_day_does_so_likewise(caps, zone):
    """Scripts keep the text of a calendar like a zone's: June ends in UTC, what remains to 15 July is a period."""
    engine = caps.engine
    caps.cap(10, MONTHLY)
    assert caps.spend(9) == Code.OK
    caps.cap(10, MONTHLY, zone=zone)
    assert caps.spend(2) == Code.CAP_REACHED
    [cap] = caps.timed()
    assert (cap.zone, cap.spent, cap.start_ms, cap.end_ms) == (zone, 9, at_ms(2026, 6, 1), at_ms(2026, 7, 1))
    engine.now = cap.end_ms
    caps.roll()
    ends = at_ms(2026, 7, 15) if zone.startswith("UTC") else at_ms(2026, 7, 14, 22)
    assert [(cap.start_ms, cap.end_ms) for cap in caps.timed()] == [(at_ms(2026, 7, 1), ends)]
    assert caps.spend(10) == Code.OK


def test_a_week_of_utc_that_starts_on_sunday_is_not_rolled_by_scripts(caps):
    """They know Monday alone: past its end the period is asked for, like a zone's."""
    engine = caps.engine
    caps.cap(10, WEEKLY, zone="UTC;week=sunday")
    [cap] = caps.timed()
    assert (cap.start_ms, cap.end_ms) == (at_ms(2026, 6, 14), at_ms(2026, 6, 21))
    assert caps.spend(10) == Code.OK
    engine.now = cap.end_ms
    assert engine.reserve("r", 1).code == Code.ROLL_NEEDED
    assert caps.roll() == [(b"", WEEKLY, b"UTC;week=sunday", b"")]
    assert caps.spend(10) == Code.OK


def test_the_marker_comes_and_goes_with_them(caps):
    """Removing the last one leaves the simple caps as they were; a cap of all models is not one of a model."""
    engine = caps.engine
    caps.cap(10, DAILY)
    before = engine.client.hget(engine.state_key, "c")
    caps.cap(20, HOURLY)
    caps.cap(30, DAILY, model="gpt")
    assert engine.remove_cap("x1", WEEKLY).removed == 0
    assert engine.remove_cap("x2", HOURLY, model="gpt").removed == 0
    assert engine.remove_cap("x3", HOURLY).removed == 1
    assert engine.remove_cap("x4", DAILY, model="gpt").removed == 1
    assert engine.client.hget(engine.state_key, "c") == before
    assert caps.timed() == ()
    assert caps.spend(11) == Code.CAP_REACHED


def test_there_are_at_most_32_caps(caps):
    """The 33rd is too_many_caps and writes nothing; replacing one of 32 is none more."""
    engine = caps.engine
    for at in range(31):
        caps.cap(10, DAILY, model=f"m{at}")
    caps.cap(10, DAILY)
    with engine.unchanged():
        assert engine.set_cap("more", 1, MONTHLY).code == Code.TOO_MANY_CAPS
        assert engine.set_cap("more", 1, TOTAL, model="x").code == Code.TOO_MANY_CAPS
    caps.cap(20, DAILY, model="m0")


def test_ancestors_caps_decide_too(caps):
    """A zoned cap of the root refuses the account below, rolls when the account is called, and is told by its level."""
    engine = caps.engine
    engine.grant("a", 100, path="search/alice")
    caps.cap(10, DAILY, zone=BERLIN)
    assert caps.spend(10, path="search/alice") == Code.OK
    refused = engine.reserve("r", 1, "search/alice")
    [note] = notes_in(refused.notes)
    assert (note.level, note.kind, note.zone, note.spent, note.end_ms) == (1, DAILY, BERLIN, 10, at_ms(2026, 6, 15, 22))
    engine.now = note.end_ms
    assert engine.reserve("r", 1, "search/unknown").code == Code.ROLL_NEEDED
    caps.roll("search/unknown")
    assert engine.node("search/unknown") is None
    assert caps.spend(10, path="search/alice") == Code.OK


def test_passing_a_timed_warn_cap_is_noted_once_as_first(caps):
    """The charge that crosses it says so; later ones do not; what a record does to a deny cap is over."""
    engine = caps.engine
    caps.cap(10, HOURLY, action=WARN)
    caps.cap(15, WEEKLY, model="gpt")
    seen = []
    for at in range(2):
        engine.reserve(f"h{at}", 6, flags=ADMIT | STRICT | 8, label=label("gpt"))
        seen.append(notes_in(engine.settle(f"h{at}", 8).notes))
    told = [[(note.kind, note.flags - NOTE_TIMED) for note in notes] for notes in seen]
    assert told == [[], [(HOURLY, NOTE_FIRST), (WEEKLY, NOTE_FIRST | NOTE_OVER)]]
    engine.reserve("later", 0, label=label("gpt"))
    assert [note.flags - NOTE_TIMED for note in notes_in(engine.settle("later", 0).notes)] == []
