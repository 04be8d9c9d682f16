#!lua flags=allow-oom
--[[ settle: charges the actual cost against a hold; caps and balance may clamp the charge, never refuse it.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
         5 asked       units, the actual cost, >= 0; 0 charges nothing and ends the hold
         6 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, charged, asked, held_amount, transaction_id, notes}; balance after
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER LEASE_NOT_FOUND LEASE_EXPIRED
  Rule   strict: charged = min(asked, own admitted + least room of the deny caps, own + free credits above the floor)
         otherwise the floor alone bounds it (SPEC 5). The rest is shortfall: reported, never charged.
  Entry  SETTLE   Cost O(levels x caps + log holds). Runs when memory is full: it frees what is held.
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/record
local asked, metadata, deep, ended_by = read_units(ARGV[5], 0), ARGV[6], true, 0
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
local payer = nodes[PATH]
local notes, charged, answer = '', 0, nil
if hold_state == SETTLED then
  --- @inline lib/answer_settled
elseif hold_state == EXPIRED or hold_is_due then
  code = LEASE_EXPIRED
elseif hold_state ~= OPEN then
  code = LEASE_NOT_FOUND
else
  local own_amount, own_admitted = hold_amount, hold_admitted
  local floor = hold_flags >= HAS_FLOOR and struct.unpack('<i7', record, AFTER_HOLD) or 0
  --- @include lib/bounds
  charged = asked < money_bound and asked or money_bound
  if hold_flags % (2 * IS_STRICT) >= IS_STRICT and charged > cap_bound then
    charged = cap_bound
  end
  local more_held, more_charged = 0, charged
  --- @include lib/exact
  if stays_exact then
    --- @include lib/settle_hold
  else
    code, charged = INVALID_AMOUNT, 0
  end
end
--- @include lib/apply
return answer or { code, now_ms, FRESH, payer and payer[BALANCE] or 0, charged, asked, hold_amount, entry_id, notes }
