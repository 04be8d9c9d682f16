-- succeed (inline): admits the successor of a hold that was just settled, with its terms, or answers the one that was made
-- when the hold was settled before. Reads payer, record, also_field, next_amount, next_ttl_ms and what lib/found_hold sets.
-- Sets successor: code, repetition, balance, held, amount, expiry, notes.
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/load
--- @include lib/queue
--- @include lib/found_hold
do
  --- @inline lib/find_also
  local amount, ttl_ms, metadata, notes, told, code = next_amount, next_ttl_ms, '', '', '', OK
  if also_record and #also_record < AFTER_HOLD - 1 then
    successor = { CANCELLED, FRESH, 0, 0, amount, 0, '' }
  elseif also_record then
    local state, flags, made, expires_ms, balance, held = struct.unpack(HOLD_FORMAT, also_record)
    if (state == OPEN or state == EXPIRED) and flags % (2 * WAS_EXTENDED) >= WAS_EXTENDED then
      made = struct.unpack('<i7', also_record, AFTER_HOLD)
    end
    successor = { OK, made == amount and REPEATED or REUSED, balance, held, made, expires_ms, '' }
  elseif hold_state == SETTLED then
    -- It was refused then, and the terms are gone with the hold.
    successor = { LEASE_NOT_FOUND, REPEATED, payer[BALANCE], payer[HELD], amount, 0, '' }
  else
    local floor, label = 0, nil
    if hold_flags >= HAS_FLOOR then
      floor, label = struct.unpack('<i7Bc0', record, hold_terms_at)
    else
      label = struct.unpack('<Bc0', record, hold_terms_at)
    end
    local admit, strict = hold_flags % 2 == IS_ADMITTED, hold_flags % (2 * IS_STRICT) >= IS_STRICT
    used_model = own_model
    local own_amount, own_admitted, binding, more_held, more_charged = 0, 0, admit, amount, 0
    --- @inline lib/bounds
    --- @inline lib/exact
    if not stays_exact then
      code = INVALID_AMOUNT
    elseif not (ttl_ms >= 1000 and ttl_ms <= 604800000) then
      code = INVALID_ARGUMENT
    elseif backlog_full then
      code = BACKLOG_FULL
    elseif nodes[''][OPEN_HOLDS] >= MAX_OPEN_HOLDS then
      code = TOO_MANY_HOLDS
    else
      --- @inline lib/gate
      if limits then
        local packed_label, requests, opens, tokens = label, 0, hold_state == OPEN and 2 or 1, 0
        --- @inline lib/label_parts
        --- @inline lib/rates
        --- @inline lib/take_rates
        told = rate_notes
        label = string.sub(label, 1, #label - label_rest)
        if code == OK then
          label = label .. struct.pack('<i5i6', root[SEQUENCE] + 1, rate_shadowed and -now_ms or now_ms)
            .. (payer_level > 0 and string.char(payer_level) or '')
        end
      end
    end
    local expires_ms = 0
    if code == OK then
      local opened_reference = PATH == '' and also_field or string.sub(also_field, 1, -2 - #PATH)
      --- @inline lib/open_hold
      expires_ms = opened_expires_ms
      also = { { field = also_field, entry = opened_entry, record = opened_record, expires_ms = expires_ms } }
    end
    successor = { code, FRESH, payer[BALANCE], payer[HELD], amount, expires_ms, notes .. told }
  end
end
