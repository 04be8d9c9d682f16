-- charge: decides on a charge without a hold and makes it; the body of deduct and, for each item, of charge_many.
-- Reads terms, metadata. Sets reply; label, when another pays.
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local amount, floor, flags, label = struct.unpack('<i7i7BBc0', terms)
local strict, deep, dry, reply = flags % 4 >= 2, flags % 8 >= 4, flags % 32 >= 16, nil
--- @include lib/load
if amount < 0 or amount > MAX_UNITS or floor < -MAX_UNITS or floor > MAX_UNITS then
  code = INVALID_AMOUNT
end
if code ~= OK then
  reply = { code, now_ms, FRESH, 0, 0, amount, 0, '', '' }
else
  if timed then
    local packed_label = label
    --- @inline lib/label_model
  end
  --- @include lib/queue
  --- @include lib/expire
  --- @include lib/find
  local payer, own_amount, own_admitted, binding, notes, told, charged = nodes[PATH], 0, 0, true, '', '', 0
  if payer and payer_level > 0 then
    payer = nodes[levels[payer_level]]
  end
  if record and string.byte(record) == TOMBSTONE then
    code = CANCELLED
  elseif record then
    local _, first_charged, balance, at = struct.unpack('<Bi7i7', record)
    local id, notes_at = struct.unpack('<Bc0', record, at)
    reply = { OK, now_ms, first_charged == amount and REPEATED or REUSED, balance, first_charged, first_charged, 0, id,
      string.sub(record, notes_at) }
  elseif not payer then
    code = strict and INSUFFICIENT_CREDITS or ACCOUNT_UNKNOWN
  elseif is_stranger then
    code = ACCOUNT_UNKNOWN
  else
    local more_held, more_charged = 0, amount
    --- @include lib/bounds
    --- @include lib/exact
    if not stays_exact then
      code = INVALID_AMOUNT
    elseif backlog_full then
      code = BACKLOG_FULL
    else
      --- @include lib/gate
    end
    if limits and code ~= INVALID_AMOUNT and code ~= BACKLOG_FULL then
      local packed_label, requests, opens = label, 1, 0
      --- @inline lib/label_parts
      local tokens = label_tokens
      --- @inline lib/rates
      told = rate_notes
      if dry then
        code = rate_code ~= OK and rate_code or code
      else
        --- @inline lib/take_rates
      end
    end
    if dry then
      charged = code == OK and amount or 0
      --- @inline lib/tell_caps
    elseif code == OK then
      charged = amount
      --- @include lib/spend
      if payer_level > 0 then
        label = label .. string.char(payer_level)
      end
      root[SEQUENCE] = root[SEQUENCE] + 1
      entry = struct.pack(ENTRY_FORMAT .. 'Bc0c0', ENTRY_LAYOUT, CHARGE, GENERATION, root[SEQUENCE], now_ms, charged,
        payer[BALANCE], #entry_account, entry_account, #reference, reference, #label, label, metadata)
      record_head = struct.pack('<Bi7i7', DONE, charged, payer[BALANCE])
      record_tail = notes
      dirty = levels
    end
  end
  --- @include lib/apply
  reply = reply or { code, now_ms, FRESH, payer and payer[BALANCE] or 0, charged, amount, 0, entry_id, notes .. told }
end
