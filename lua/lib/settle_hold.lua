-- settle_hold: charges the found hold - one that expired has left the totals already: the entry and the terminal record.
-- Reads payer, asked, actual_tokens (nil: as estimated), charged, ended_by (0 or BY_DEDUCT), charge_model (nil: the hold's), metadata and what
-- lib/found_hold sets. Sets notes.
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/load
--- @include lib/queue
--- @include lib/found_hold
if hold_state == OPEN then
  local actual_amount = asked
  --- @inline lib/drop_hold
else
  dirty = levels
end
--- @include lib/spend
-- The ledger forgot who pays when the hold expired.
local says_payer = hold_state ~= OPEN and payer_level > 0
local flags = hold_flags + ended_by + (asked ~= charged and HAS_ASKED or 0)
root[SEQUENCE] = root[SEQUENCE] + 1
entry = struct.pack(ENTRY_FORMAT .. 'Bc0', ENTRY_LAYOUT, SETTLE, GENERATION, root[SEQUENCE], now_ms, charged,
  payer[BALANCE], #entry_account, entry_account, #reference, reference, flags + (charge_model and HAS_MODEL or 0)
  + (says_payer and HAS_PAYER or 0), asked == charged and not (charge_model or says_payer) and metadata or '')
record_head = struct.pack(HOLD_FORMAT .. 'i7i7', SETTLED, flags, hold_first, hold_expires_ms, hold_balance,
  hold_held, charged, payer[BALANCE])
if asked ~= charged then
  entry, record_head = entry .. struct.pack('<i7', asked), record_head .. struct.pack('<i7', asked)
end
if says_payer then
  entry = entry .. string.char(payer_level)
end
if charge_model then
  entry = entry .. struct.pack('<Bc0', #charge_model, charge_model)
end
if asked ~= charged or charge_model or says_payer then
  entry = entry .. metadata
end
record_tail = notes
