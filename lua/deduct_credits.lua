#!lua
--[[ deduct_credits: charges exactly the asked amount against a hold, or refuses and frees the hold in the same step.
  KEYS   the six of a root and its shard's events (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
         5 asked       units, >= 0
         6 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, charged, asked, held_amount, transaction_id, notes}; balance after
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED LEASE_NOT_FOUND
         LEASE_EXPIRED CAP_REACHED INSUFFICIENT_CREDITS
  Rule   gated like an admission, the hold's own (admitted) part counted as spendable; never charges part (SPEC 3).
  Entry  SETTLE, or RELEASE when refused   Cost O(levels x caps + log holds)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/record
local asked, metadata, deep, ended_by, charge_model = read_units(ARGV[5], 0), ARGV[6], true, BY_DEDUCT, nil
local actual_tokens = nil
--- @include lib/load
if not asked then
  code = INVALID_AMOUNT
end
if code ~= OK then
  return { code, now_ms, FRESH, 0, 0, asked or 0, 0, '', '' }
end
--- @include lib/expire
--- @include lib/find
--- @include lib/found_hold
if code ~= OK then
  return { code, now_ms, FRESH, 0, 0, asked, 0, '', '' }
end
local payer = nodes[PATH]
if payer and payer_level > 0 then
  payer = nodes[levels[payer_level]]
end
local notes, charged, answer = '', 0, nil
if hold_state == SETTLED then
  --- @inline lib/answer_settled
elseif hold_state == TOMBSTONE then
  code = CANCELLED
elseif hold_state == RELEASED and hold_flags % (2 * WAS_REFUSED) >= WAS_REFUSED then
  -- The first refusal again, though there might be room by now.
  local refusal, first_asked, balance, notes_at = struct.unpack('<Bi7i7', record, AFTER_HOLD)
  answer = { refusal, now_ms, first_asked == asked and REPEATED or REUSED, balance, 0, first_asked, hold_amount, '',
    string.sub(record, notes_at) }
elseif hold_state == EXPIRED or hold_is_due then
  code = LEASE_EXPIRED
elseif hold_state ~= OPEN then
  code = LEASE_NOT_FOUND
else
  local own_amount, own_admitted = hold_amount, hold_admitted
  local floor = hold_flags >= HAS_FLOOR and struct.unpack('<i7', record, hold_terms_at) or 0
  local amount, binding, more_held, more_charged = asked, true, 0, asked
  --- @include lib/bounds
  --- @include lib/exact
  if stays_exact then
    --- @include lib/gate
  else
    code, notes = INVALID_AMOUNT, within_note
  end
  if code == OK then
    charged = asked
    --- @include lib/settle_hold
  else
    local refusal = code
    --- @include lib/release_hold
  end
end
--- @include lib/apply
return answer or { code, now_ms, FRESH, payer and payer[BALANCE] or 0, charged, asked, hold_amount, code == OK and entry_id or '', notes }
