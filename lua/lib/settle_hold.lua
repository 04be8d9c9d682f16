-- settle_hold: charges the found hold: out of the totals, spent at every level, the entry and the terminal record.
-- Reads payer, asked, charged, ended_by (0 or BY_DEDUCT), metadata and what lib/found_hold sets. Sets notes.
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/cap
--- @include lib/load
--- @include lib/queue
--- @include lib/found_hold
--- @inline lib/drop_hold
payer[BALANCE] = payer[BALANCE] - charged
balance_change = -charged
notes = ''
for i = 1, #levels do
  local path = levels[i]
  local node, items = nodes[path], caps[path]
  node[SPENT_DAY] = node[SPENT_DAY] + charged
  node[SPENT_MONTH] = node[SPENT_MONTH] + charged
  node[SPENT_TOTAL] = node[SPENT_TOTAL] + charged
  -- Caps that committed spend now lies above; the charge that crossed one says so.
  for at = 1, items and charged > 0 and #items or 0, CAP_BYTES do
    local kind, action, limit = struct.unpack(CAP_FORMAT, items, at)
    if node[kind] > limit then
      local flags = (node[kind] - charged <= limit and NOTE_FIRST or 0) + (action == DENY and NOTE_OVER or 0)
      notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, flags, limit, node[kind], node[ADMITTED])
    end
  end
end
local flags = hold_flags + ended_by + (asked ~= charged and HAS_ASKED or 0)
root[SEQUENCE] = root[SEQUENCE] + 1
entry = struct.pack(ENTRY_FORMAT .. 'B', ENTRY_LAYOUT, SETTLE, GENERATION, root[SEQUENCE], now_ms, charged,
  payer[BALANCE], #ACCOUNT, ACCOUNT, #reference, reference, flags)
record_head = struct.pack(HOLD_FORMAT .. 'i7i7', SETTLED, flags, hold_amount, hold_expires_ms, hold_balance,
  hold_held, charged, payer[BALANCE])
if asked ~= charged then
  entry, record_head = entry .. struct.pack('<i7', asked), record_head .. struct.pack('<i7', asked)
end
entry = entry .. metadata
record_tail = notes
