#!lua
--[[ extend: adds to an open hold's amount, gated like a new admission, or moves its expiry on, or both.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
         5 also_field  'e<op id>[/<path>]'
         6 amount      units to add, >= 0; 0 only moves the expiry
         7 ttl_ms      from now on, 1000 to 604800000, or 0 to leave the expiry; it never moves back
         8 tokens      to add to the estimate, >= 0, for limits that count tokens
  Reply  {code, now_ms, repetition, balance, held, amount, expires_ms, notes}; amount the hold's, after the addition;
         refused: the addition
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
         LEASE_NOT_FOUND
         LEASE_EXPIRED BACKLOG_FULL CONCURRENCY_LIMIT RATE_LIMITED CAP_REACHED INSUFFICIENT_CREDITS
  Rule   the addition is bound by the hold's own floor, and by the caps when the hold was admitted against them. One of 0
         goes on when the backlog is full.
  Entry  EXTEND   Refused, the hold stays as it is.   Cost O(levels x caps + log holds)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local amount, ttl_ms = read_units(ARGV[6], 0), not string.find(ARGV[7], '%D') and tonumber(ARGV[7])
local tokens = read_units(ARGV[8], 0)
local also_field, deep = ARGV[5], true
-- Of the extension's own record; tokens follow when there were any.
local EXTENSION_BYTES = 41
--- @include lib/load
if not amount then
  code = INVALID_AMOUNT
elseif not (tokens and ttl_ms and (ttl_ms == 0 or ttl_ms >= 1000) and ttl_ms <= 604800000) then
  code = INVALID_ARGUMENT
end
if code ~= OK then
  return { code, now_ms, FRESH, 0, 0, amount or 0, 0, '' }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
--- @include lib/found_hold
if code ~= OK then
  return { code, now_ms, FRESH, 0, 0, amount, 0, '' }
end
--- @include lib/find_also
local payer, notes, told, answer = nodes[PATH], '', '', nil
if payer and payer_level > 0 then
  payer = nodes[levels[payer_level]]
end
local total, expires_ms = hold_amount + amount, hold_expires_ms
if also_record and string.byte(also_record) == TOMBSTONE then
  code = CANCELLED
elseif also_record then
  local _, first_amount, first_ttl_ms, first_total, balance, held, first_expires_ms =
    struct.unpack('<Bi7i6i7i7i7i6', also_record)
  local first_tokens = #also_record > EXTENSION_BYTES and struct.unpack('<i7', also_record, EXTENSION_BYTES + 1) or 0
  local is_same = first_amount == amount and first_ttl_ms == ttl_ms and first_tokens == tokens
  answer = { OK, now_ms, is_same and REPEATED or REUSED, balance, held, first_total, first_expires_ms, '' }
elseif hold_state == EXPIRED or hold_is_due then
  code = LEASE_EXPIRED
elseif hold_state ~= OPEN then
  code = hold_state == TOMBSTONE and CANCELLED or LEASE_NOT_FOUND
else
  local own_amount, own_admitted, binding, more_held, more_charged = 0, 0, hold_flags % 2 == IS_ADMITTED, amount, 0
  local floor = hold_flags >= HAS_FLOOR and struct.unpack('<i7', record, hold_terms_at) or 0
  --- @include lib/bounds
  --- @include lib/exact
  if not (stays_exact and total <= MAX_UNITS) then
    code = INVALID_AMOUNT
  elseif backlog_full and amount > 0 then
    code = BACKLOG_FULL
  else
    --- @include lib/gate
  end
  local terms = string.sub(record, hold_terms_at) -- floor, label and notes, as they will be
  if limits and code ~= INVALID_AMOUNT then
    local requests, opens, length_at = 0, 0, hold_flags >= HAS_FLOOR and 8 or 1
    local packed_label, notes_at = struct.unpack('<Bc0', terms, length_at)
    --- @inline lib/label_parts
    if label_tokens + tokens > MAX_UNITS then
      code = INVALID_ARGUMENT
    elseif code ~= BACKLOG_FULL then
      --- @inline lib/rates
      --- @inline lib/take_rates
      told = rate_notes
      if code == OK and (tokens > 0 or rate_shadowed) then
        -- The estimate grows in the label, where settling looks it up; shadows are not corrected of what they did not take.
        local parts_at, estimate = #packed_label - label_rest + 1, label_tokens + tokens
        local counted = string.sub(packed_label, parts_at + ((counted_bytes == 7 or counted_bytes == 18) and 7 or 0))
        if rate_shadowed and counted_bytes >= 11 then
          counted = struct.pack('<i5i6', admitted_sequence, -admitted_ms) .. string.sub(counted, 12)
        end
        packed_label = string.sub(packed_label, 1, parts_at - 1) .. (estimate > 0 and struct.pack('<i7', estimate) or '') .. counted
        terms = string.sub(terms, 1, length_at - 1) .. string.char(#packed_label) .. packed_label .. string.sub(terms, notes_at)
      end
    end
  end
  if code == OK then
    if ttl_ms > 0 and now_ms + ttl_ms > expires_ms then
      expires_ms = now_ms + ttl_ms
    end
    payer[HELD] = payer[HELD] + amount
    for i = 1, #levels do
      local node = nodes[levels[i]]
      node[ADMITTED] = node[ADMITTED] + (binding and amount or 0)
    end
    if timed and binding then
      local held_model, more_admitted = own_model, amount
      --- @inline lib/timed_hold
    end
    root[SEQUENCE] = root[SEQUENCE] + 1
    local also_reference = PATH == '' and also_field or string.sub(also_field, 1, -2 - #PATH)
    local added_tokens = tokens > 0 and struct.pack('<i7', tokens) or ''
    entry = struct.pack(ENTRY_FORMAT .. 'i6I2c0', ENTRY_LAYOUT, EXTEND, GENERATION, root[SEQUENCE], now_ms, amount,
      payer[BALANCE], #entry_account, entry_account, #reference, reference, expires_ms, #also_reference, also_reference) .. added_tokens
    record_head = struct.pack(HOLD_FORMAT .. 'i7', OPEN, hold_flags + WAS_EXTENDED, total, expires_ms, hold_balance,
      hold_held, hold_first) .. terms
    record_expires_ms, index_expires_ms = expires_ms, expires_ms
    also = { { field = also_field, record = struct.pack('<Bi7i6i7i7i7i6', DONE, amount, ttl_ms, total, payer[BALANCE],
      payer[HELD], expires_ms) .. added_tokens } }
    dirty = levels
  end
end
--- @include lib/apply
return answer or { code, now_ms, FRESH, payer and payer[BALANCE] or 0, payer and payer[HELD] or 0,
  code == OK and total or amount, expires_ms, notes .. told }
