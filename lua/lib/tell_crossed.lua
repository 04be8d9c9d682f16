-- tell_crossed (inline): puts the crossed thresholds into the shard's stream of events, which other services read; behind the
-- ledger entry that crossed them and before the state, so that a crossing is told at least once. Reads crossed, entry_id, now_ms.
--- @include lib/keys
--- @include lib/node
local EVENTS_MAX = 100000
for i = 1, #crossed do
  local each = crossed[i]
  local is_balance = each.kind == BALANCE
  redis.call('XADD', EVENTS, 'MAXLEN', '~', EVENTS_MAX, '*', 'type', is_balance and 'low_balance' or 'cap_threshold',
    'entry', entry_id, 'account', string.match(ACCOUNT, '^[^/+]*') .. (each.path == '' and '' or '/' .. each.path),
    'kind', each.kind, 'percent', each.percent, 'threshold', string.format('%.0f', each.threshold),
    'limit', string.format('%.0f', each.limit), is_balance and 'balance' or 'spent', string.format('%.0f', each.reached),
    'at', string.format('%.0f', now_ms), 'model', each.model or '', 'zone', each.zone or '')
end
