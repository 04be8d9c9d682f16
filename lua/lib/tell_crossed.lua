-- tell_crossed (inline): puts the crossed thresholds into the shard's stream of events, which other services read; behind the
-- ledger entry that crossed them and before the state, so that a crossing is told at least once. Reads crossed, entry_id, now_ms.
-- The stream is named after the ledger, in whose slot it lies: a seventh key would cost every call, and few cross anything.
--- @include lib/keys
--- @include lib/node
local EVENTS, EVENTS_MAX = string.sub(LEDGER, 1, -7) .. 'events', 100000
for i = 1, #crossed do
  local each = crossed[i]
  redis.call('XADD', EVENTS, 'MAXLEN', '~', EVENTS_MAX, '*', 'type', each.kind == BALANCE and 'low_balance' or 'cap_threshold',
    'entry', entry_id,
    'account', string.match(ACCOUNT, '^[^/]*') .. (each.path == '' and '' or '/' .. each.path), 'kind', each.kind,
    'percent', each.percent, 'threshold', string.format('%.0f', each.threshold), 'limit', string.format('%.0f', each.limit),
    each.kind == BALANCE and 'balance' or 'spent', string.format('%.0f', each.spent), 'at', string.format('%.0f', now_ms))
end
