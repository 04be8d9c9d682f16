"""After any calls: drained, wiped and restored, a namespace answers as the model does, and goes on as it does."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from comparison import ACCOUNTS, LETTER_OF
from ledger_check import Ledger
from machine import Machine, run
from model_state import HOUR_MS

from ducto_redis.durable import LedgerDrain, Restore

EXAMPLES = int(os.environ.get("DUCTO_EXAMPLES", "7"))
#: What answers say that entries do not tell (docs/durability.md): notes of caps and limits, what shadows counted.
UNTOLD = ("caps", "limits", "resets", "denied", "allowed", "reason")


class OfRestored(Ledger):
    """Checks nothing of the ledger: its streams begin anew."""

    def differences(self, _accounts):
        return []

    def differing_fields(self):
        return []


class LostAndRestored(Machine):
    """A machine whose server loses everything at the end of each run."""

    def teardown(self):
        if self.store is None:
            return
        self.check_everything()
        with tempfile.TemporaryDirectory(prefix="ducto-") as folder:
            url = f"sqlite:///{Path(folder) / 'ledger.db'}"
            drain = LedgerDrain(self.store, url)
            drain.drain()
            drain.close()
            self.client.delete(*self.client.keys(f"{self.namespace}:*"))
            restore = Restore(self.store, url, now_ms=self.clock)
            self.tally["roots"] += restore.run().roots
            restore.close()
        self.ledger = OfRestored(self.client, self.store._space)
        self.model.shadow_counts.clear()
        self.is_restored = True
        self.ask_everything()
        self.repeat_everything()
        self.move(HOUR_MS)
        self.ask_everything()
        self.store.close()

    def _compare(self, name, args, result, told, *rest):
        if getattr(self, "is_restored", False) and name != "listed" and not isinstance(result, str):
            seen = self.units_told.seen_in(result, told)
            told = {key: seen[key] if key in UNTOLD else value for key, value in told.items()}
        super()._compare(name, args, result, told, *rest)

    def ask_everything(self):
        for account in ACCOUNTS:
            self.send("available", account=account)
            self.send("list_holds", account=account)
        for account in sorted(self.model.known):
            self.send("listed", account=account)
            self.tally["asked"] += 1

    def repeat_everything(self):
        """Calls of the last day that were executed are answered as they were."""
        for name, args in self.repeatable:
            record = (LETTER_OF.get(name, ""), args["account"], args.get("hold_id") or args.get("key") or "")
            if not record[0] or not self.model.certain(record):
                continue
            hold = self.model.holds.get(record[1:])
            ended = hold is not None and hold.state in ("settled", "released")
            if record in self.model.keys or (ended and name != "deduct") or (hold and name == "reserve"):
                self.send(name, **args)
                self.tally["repeated"] += 1


def test_a_restored_namespace_answers_like_the_model(server, record_property):
    """Every balance, hold, cap and spend of every account; retries of ended operations; and an hour later."""
    tally = run(server.url, EXAMPLES, base=LostAndRestored, derandomize="DUCTO_EXAMPLES" not in os.environ)
    told = f"{tally['roots']} roots restored in {tally['runs']} runs of {tally['steps']} steps"
    record_property("figure", f"{told}: 0 of {tally['asked']} accounts differ, {tally['repeated']} calls repeated")
    assert tally["roots"] >= 2 * EXAMPLES
    assert tally["repeated"] >= 10 * EXAMPLES, tally
