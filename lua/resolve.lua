#!lua flags=allow-oom
--[[ resolve: says whether an operation was executed; if it was not, makes sure that it never will be.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       the record's field; the first of those that may hold it
         5 ends        1: the operation ends the hold of field; a hold that is still open is freed, for nothing else
                       could end it any more. Else 0
         6 count       of fields
         7- fields     from the second on
  Reply  {code, now_ms, found, record, balance}; found which field has a record (0: none has, all have tombstones now),
         record as it stands now, balance the account's
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED; CANCELLED is what late arrivals are answered
  Entry  CANCEL for tombstones, RELEASE when a hold is freed   Cost O(fields + levels). Runs when memory is full.
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local HOLD_LETTER = 104
local ends, count, deep = ARGV[5] == '1', tonumber(ARGV[6]), true
--- @include lib/load
if code ~= OK then
  return { code, now_ms, 0, '', 0 }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
-- Only the record of a hold can be unpacked as one.
local first = record
if string.byte(ARGV[4]) ~= HOLD_LETTER then
  record = nil
end
--- @include lib/found_hold
if code ~= OK then
  return { code, now_ms, 0, '', 0 }
end
-- A record of any kind says that the id was executed, whatever was cancelled under it as another kind.
local found, told, cancelled = 0, string.char(TOMBSTONE), 0
if first and string.byte(first) ~= TOMBSTONE then
  found, told = 1, first
elseif first then
  cancelled = 1
end
for i = 2, found == 0 and count or 1 do
  local also_field = ARGV[5 + i]
  --- @inline lib/find_also
  if also_record and string.byte(also_record) ~= TOMBSTONE then
    found, told = i, also_record
    break
  end
  cancelled = cancelled + (also_record and 1 or 0)
end
local payer, refusal, asked, notes = nodes[PATH], CANCELLED, 0, ''
-- What an expired hold leaves is said in the account's own name: nothing is held of its payer any more.
if payer and payer_level > 0 and hold_state == OPEN then
  payer = nodes[levels[payer_level]]
end
if found == 0 and cancelled < count then
  -- Even an account that does not exist yet must not be opened by the late arrival: its root is made, nothing else.
  root = root or { LAYOUT, GENERATION, 0, 0, now_ms, 0, 0, 0 }
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, CANCEL, GENERATION, root[SEQUENCE], now_ms, count,
    payer and payer[BALANCE] or 0, #ACCOUNT, ACCOUNT, #reference, reference)
  record_head = string.char(TOMBSTONE)
  also = {}
  for i = 2, count do
    also[i - 1] = { field = ARGV[5 + i], record = record_head }
  end
  dirty = {}
elseif ends and hold_state == OPEN then
  --- @include lib/release_hold
  told = record_head
elseif ends and hold_state == EXPIRED then
  -- It has left the totals already, but might be billed late.
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT .. 'B', ENTRY_LAYOUT, RELEASE, GENERATION, root[SEQUENCE], now_ms, 0, payer[BALANCE],
    #entry_account, entry_account, #reference, reference, CANCELLED)
  record_head = struct.pack(HOLD_FORMAT .. 'Bi7i7', RELEASED, hold_flags + WAS_REFUSED, hold_first, hold_expires_ms,
    hold_balance, hold_held, CANCELLED, 0, payer[BALANCE])
  told = record_head
  dirty = levels
end
--- @include lib/apply
return { OK, now_ms, found, told, nodes[PATH] and nodes[PATH][BALANCE] or 0 }
