-- ending: the end of an open hold - its amount leaves the totals, what was charged is spent, the record becomes terminal.
--- @include lib/struct
--- @include lib/node
--- @include lib/root
--- @include lib/state
--- @include lib/ledger
--- @include lib/records
--- @include lib/holds
--- @include lib/caps
--- @include lib/charge
--- @include lib/apply

local function drop_open_hold(field, hold, levels)
  move_hold(PATH, levels, hold.amount, hold.admitted, -1)
  index_drops[#index_drops + 1] = field
end

-- Charges an open hold. Answers the transaction's id and the notes of the caps that the spend now lies above.
local function settle_hold(field, hold, levels, asked, charged, by_deduct, metadata)
  drop_open_hold(field, hold, levels)
  charge(PATH, levels, charged)
  local balance = nodes[PATH][BALANCE]
  hold.flags = hold.flags + (by_deduct and BY_DEDUCT or 0) + (asked ~= charged and HAS_ASKED or 0)
  queue_entry(SETTLE, PATH, field, charged, balance, struct.pack('<Bi7', hold.flags, asked) .. metadata)
  local notes = note_breached(levels, charged)
  local head = hold_head(SETTLED, hold) .. struct.pack('<i7i7', charged, balance)
  if asked ~= charged then
    head = head .. struct.pack('<i7', asked)
  end
  keep_record(field, head, notes, 0)
  return apply(-charged), notes
end

-- Frees an open hold without a charge. With a refusal code the record answers a repeated deduct_credits alike.
local function release_hold(field, hold, levels, code, asked, notes)
  drop_open_hold(field, hold, levels)
  local balance, refused = nodes[PATH][BALANCE], ''
  if code ~= OK then
    hold.flags = hold.flags + WAS_REFUSED
    refused = struct.pack('<Bi7i7', code, asked, balance) .. notes
  end
  queue_entry(RELEASE, PATH, field, hold.amount, balance, struct.pack('<B', code))
  keep_record(field, hold_head(RELEASED, hold) .. refused, nil, 0)
  apply(0)
end

-- What a settled record says: charged, balance after, asked, transaction id, notes.
local function read_settled(record, hold)
  local charged, balance, at = struct.unpack('<i7i7', record, hold.at)
  local asked = charged
  if has_flag(hold.flags, HAS_ASKED) then
    asked, at = struct.unpack('<i7', record, at)
  end
  local id, notes_at = struct.unpack('<Bc0', record, at)
  return charged, balance, asked, id, string.sub(record, notes_at)
end
