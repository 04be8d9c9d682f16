-- found_hold: unpacks the hold that lib/find has found. Sets hold_state (0: there is no such hold; EXPIRED also for one
-- that is due but not freed yet; TOMBSTONE also for one that was freed by resolve), hold_flags (without that of an
-- extension), hold_amount, hold_first (what it was made with), hold_admitted, hold_expires_ms, hold_balance, hold_held,
-- payer_level (of who paid at its admission), code when a membership's
-- period is over, hold_terms_at (where floor, label and notes of an open or expired hold start), hold_is_due.
--- @include lib/keys
--- @include lib/codes
--- @include lib/record
--- @include lib/cap
--- @include lib/load
--- @include lib/queue
--- @include lib/find
local hold_state, hold_flags, hold_amount, hold_expires_ms, hold_balance, hold_held = 0, 0, 0, 0, 0, 0
local hold_first, hold_terms_at = 0, AFTER_HOLD
if record and #record < AFTER_HOLD - 1 then
  hold_state = TOMBSTONE
elseif record then
  hold_state, hold_flags, hold_amount, hold_expires_ms, hold_balance, hold_held = struct.unpack(HOLD_FORMAT, record)
  hold_first = hold_amount
  if hold_flags % (2 * WAS_EXTENDED) >= WAS_EXTENDED then
    if hold_state ~= RELEASED then
      hold_first, hold_terms_at = struct.unpack('<i7', record, AFTER_HOLD)
      hold_flags = hold_flags - WAS_EXTENDED
    elseif string.byte(record, AFTER_HOLD) == CANCELLED then
      hold_state = TOMBSTONE
    end
  end
end
payer_level = 0
if hold_state == OPEN or (hold_state == EXPIRED and #record >= AFTER_HOLD) then
  local label_at = hold_flags >= HAS_FLOOR and hold_terms_at + 7 or hold_terms_at
  local notes_at = label_at + 1 + string.byte(record, label_at)
  if string.byte(record, notes_at) == WITHIN_NOTE then
    within = struct.unpack('<I2c0', record, notes_at + 1)
    entry_account = ACCOUNT .. '+' .. within
    --- @inline lib/load_within
    for at = 1, limited and own_limit_bytes and #levels or 0 do
      -- A freed hold has left the limits of this level; defaults were not among them yet.
      local present, own_bytes = limited[levels[at]], own_limit_bytes[levels[at]]
      if present and own_bytes == #present then
        limited[levels[at]] = present .. string.sub(limits[levels[at]] or '', own_bytes + 1)
      end
    end
    if due_periods and code == OK then
      code = ROLL_NEEDED
    end
  end
  if PATH ~= '' or timed then
    local packed_label = string.sub(record, label_at + 1, notes_at - 1)
    --- @inline lib/label_payer
    payer_level = label_payer
    if timed then
      --- @inline lib/label_model
      own_model = used_model
    end
  end
end
local hold_admitted = hold_flags % 2 == IS_ADMITTED and hold_amount or 0
-- More than one call can free is due: open in the store, expired all the same.
local hold_is_due = hold_state == OPEN and hold_expires_ms <= now_ms
