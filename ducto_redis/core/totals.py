"""What the accounts of a namespace add up to, in units: summed over states as Redis holds them or snapshots keep them.

A charge counts at every level of its path, so a root's own counter has all that was charged below it; balances and what
holds reserve lie at whom they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ducto_redis.core.packed import read_node
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Ask, Flow
from ducto_redis.core.verify import find_roots

#: Roots that are read at one moment of the server.
_AT_ONCE: Final = 100


@dataclass
class Totals:
    """Sums over roots.

    Attributes:
        roots: How many.
        balance_units: Of all accounts.
        held_units: What open holds reserve.
        charged_units: What was ever charged.
    """

    roots: int = 0
    balance_units: int = 0
    held_units: int = 0
    charged_units: int = 0

    def add(self, fields: Mapping[str, bytes]) -> None:
        """Adds a root, of which the fields of its state are given."""
        nodes = {name[1:]: read_node(data) for name, data in fields.items() if name[0] == "n"}
        self.roots += 1
        self.balance_units += sum(node.balance for node in nodes.values())
        self.held_units += sum(node.held for node in nodes.values())
        self.charged_units += nodes[""].spent_total if "" in nodes else 0


def sum_roots(space: Space) -> Flow[Totals]:
    """Sums over all roots that Redis holds; exact where nobody writes meanwhile."""
    roots = yield from find_roots(space)
    totals = Totals()
    for shard, some in roots.items():
        names = sorted(some)
        for at in range(0, len(names), _AT_ONCE):
            keys = [space.keys.keys_of_root(shard, root)[0] for root in names[at : at + _AT_ONCE]]
            for hashed in (yield Ask(tuple(("HGETALL", key) for key in keys))):
                totals.add({hashed[at].decode(): hashed[at + 1] for at in range(0, len(hashed), 2)})
    return totals
