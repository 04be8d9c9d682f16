-- found_hold: unpacks the hold that lib/find has found. Sets hold_state (0: there is no such hold; EXPIRED also for one
-- that is due but not freed yet), hold_flags, hold_amount, hold_admitted, hold_expires_ms, hold_balance, hold_held.
--- @include lib/record
--- @include lib/load
--- @include lib/find
local hold_state, hold_flags, hold_amount, hold_expires_ms, hold_balance, hold_held = 0, 0, 0, 0, 0, 0
if record then
  hold_state, hold_flags, hold_amount, hold_expires_ms, hold_balance, hold_held = struct.unpack(HOLD_FORMAT, record)
end
local hold_admitted = hold_flags % 2 == IS_ADMITTED and hold_amount or 0
-- More than one call can free is due: open in the store, expired all the same.
local hold_is_due = hold_state == OPEN and hold_expires_ms <= now_ms
