-- admit: decides on a new hold and makes it; the body of reserve and, for each item, of reserve_many.
-- Reads terms, metadata. Sets reply; label, when limits have counted the hold.
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/cap
local amount, floor, ttl_ms, flags, label = struct.unpack('<i7i7i6BBc0', terms)
local admit, strict, deep, dry = flags % 2 == 1, flags % 4 >= 2, flags % 8 >= 4, flags % 32 >= 16
local reply
--- @include lib/load
if amount < 0 or amount > MAX_UNITS or floor < -MAX_UNITS or floor > MAX_UNITS then
  code = INVALID_AMOUNT
elseif ttl_ms < 1000 or ttl_ms > 604800000 then
  code = INVALID_ARGUMENT
end
if code ~= OK then
  reply = { code, now_ms, FRESH, 0, 0, amount >= 0 and amount <= MAX_UNITS and amount or 0, 0, '' }
else
  if timed then
    local packed_label = label
    --- @inline lib/label_model
  end
  --- @include lib/queue
  --- @include lib/expire
  --- @include lib/find
  local payer, own_amount, own_admitted, binding = nodes[PATH], 0, 0, admit
  if payer and payer_level > 0 then
    payer = nodes[levels[payer_level]]
  end
  --- @include lib/bounds
  local notes, told, expires_ms, repetition = '', '', 0, FRESH
  local balance, held = payer and payer[BALANCE] or 0, payer and payer[HELD] or 0

  if record and #record < AFTER_HOLD - 1 then
    code = CANCELLED
  elseif record then
    local state, kept_flags, first_amount, first_expires_ms, first_balance, first_held, at = struct.unpack(HOLD_FORMAT, record)
    expires_ms, balance, held = first_expires_ms, first_balance, first_held
    if (state == OPEN or state == EXPIRED) and kept_flags % (2 * WAS_EXTENDED) >= WAS_EXTENDED then
      first_amount, at = struct.unpack('<i7', record, at)
    end
    repetition = first_amount == amount and REPEATED or REUSED
    amount = first_amount
    if state == OPEN then
      local kept_label, notes_at = struct.unpack('<Bc0', record, kept_flags >= HAS_FLOOR and at + 7 or at)
      notes = string.sub(record, notes_at)
      -- Limits that counted the hold, and a payer above it, have added to its label (lib/label_parts).
      local asked_label, more_bytes = label, #kept_label - #label
      local is_extended = kept_flags % (2 * WAS_EXTENDED) >= WAS_EXTENDED
      if is_extended then
        -- An extension may have added tokens: they are not compared.
        local _, _, mode_at = struct.unpack('<Bc0Bc0', label)
        asked_label = string.sub(label, 1, mode_at)
      end
      local is_tail = is_extended or more_bytes == 0 or more_bytes == 1 or more_bytes == 11 or more_bytes == 12
      local is_within = string.sub(notes, 1, #within_note) == within_note
        and (within_note ~= '' or string.byte(notes) ~= WITHIN_NOTE)
      repetition = is_tail and is_within and string.sub(kept_label, 1, #asked_label) == asked_label and repetition or REUSED
    end
  elseif not payer then
    code = strict and INSUFFICIENT_CREDITS or ACCOUNT_UNKNOWN
  elseif is_stranger then
    code = ACCOUNT_UNKNOWN
  else
    local more_held, more_charged = amount, 0
    --- @include lib/exact
    if not stays_exact then
      code = INVALID_AMOUNT
    elseif backlog_full then
      code = BACKLOG_FULL
    elseif nodes[''][OPEN_HOLDS] >= MAX_OPEN_HOLDS then
      code = TOO_MANY_HOLDS
    else
      --- @include lib/gate
      if limits then
        local packed_label, requests, opens = label, 1, 1
        --- @inline lib/label_parts
        local tokens = label_tokens
        --- @inline lib/rates
        told = rate_notes
        if dry then
          code = rate_code ~= OK and rate_code or code
        else
          --- @inline lib/take_rates
        end
        if code == OK then
          label = label .. struct.pack('<i5i6', root[SEQUENCE] + 1, rate_shadowed and -now_ms or now_ms)
        end
      end
    end
  end

  if dry and not record and payer then
    --- @inline lib/tell_caps
    expires_ms = code == OK and now_ms + ttl_ms or 0
  elseif code == OK and not record then
    strict = strict and flags % 16 < 8
    local opened_reference = reference
    if payer_level > 0 then
      label = label .. string.char(payer_level)
    end
    --- @inline lib/open_hold
    held, expires_ms = payer[HELD], opened_expires_ms
    entry, record_head, index_expires_ms = opened_entry, opened_record, opened_expires_ms
  end
  --- @include lib/apply
  reply = { code, now_ms, repetition, balance, held, amount, expires_ms, notes .. told }
end
