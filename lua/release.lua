#!lua flags=allow-oom
--[[ release: drops a hold without a charge; never an error, the reply says what was found.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
  Reply  {code, now_ms, reason, amount}; reason 0 released (an expired hold too), 1 already_released,
         2 already_settled, 3 not_found
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED; CANCELLED is never answered
  Entry  RELEASE, of amount 0 for an expired hold   Cost O(levels + log holds). Runs when memory is full.
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local FREED, ALREADY_RELEASED, ALREADY_SETTLED, NOT_FOUND = 0, 1, 2, 3
local deep, reason = true, NOT_FOUND
--- @include lib/load
if code ~= OK then
  return { code, now_ms, NOT_FOUND, 0 }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
--- @include lib/found_hold
if code ~= OK then
  return { code, now_ms, NOT_FOUND, 0 }
end
local payer, refusal, asked, notes = nodes[PATH], OK, 0, ''
-- What an expired hold leaves is said in the account's own name: nothing is held of its payer any more.
if payer and payer_level > 0 and hold_state == OPEN then
  payer = nodes[levels[payer_level]]
end
if hold_state == OPEN then
  reason = FREED
  --- @include lib/release_hold
elseif hold_state == EXPIRED then
  -- It has left the totals already; only its record changes, so that it ends once.
  reason = FREED
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT .. 'B', ENTRY_LAYOUT, RELEASE, GENERATION, root[SEQUENCE], now_ms, 0, payer[BALANCE],
    #entry_account, entry_account, #reference, reference, OK)
  record_head = struct.pack(HOLD_FORMAT, RELEASED, hold_flags, hold_first, hold_expires_ms, hold_balance, hold_held)
  dirty = levels
elseif hold_state == SETTLED then
  reason = ALREADY_SETTLED
elseif hold_state == RELEASED or (hold_state == TOMBSTONE and #record >= AFTER_HOLD) then
  reason = ALREADY_RELEASED
end
--- @include lib/apply
return { OK, now_ms, reason, hold_amount }
