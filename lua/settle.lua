#!lua flags=allow-oom
--[[ settle: charges the actual cost against a hold; caps and balance may clamp the charge, never refuse it.
  KEYS   the six of a root and its shard's events (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
         5 terms       packed: asked (i7), the actual cost, >= 0; 0 charges nothing and ends the hold. Then nothing or:
                       flags (1 bill a hold that expired, 2 open a successor), length and text of the model that was
                       used ('' the hold's), amount and ttl_ms of the successor, length and text of its field; with flag
                       4 the tokens that were used (i7)
         6 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, charged, asked, held_amount, transaction_id, notes}; balance after. With a
         successor then its {code, repetition, balance, held, amount, expires_ms, notes}
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED LEASE_NOT_FOUND
         LEASE_EXPIRED;
         of the successor also INVALID_ARGUMENT BACKLOG_FULL TOO_MANY_HOLDS CONCURRENCY_LIMIT RATE_LIMITED
         CAP_REACHED INSUFFICIENT_CREDITS
  Rule   strict: charged = min(asked, own admitted + least room of the deny caps, own + free credits above the floor)
         otherwise the floor alone bounds it (SPEC 5). The rest is shortfall: reported, never charged. Billed after its
         expiry a hold has no part of its own.
  Entry  SETTLE, and HOLD of the successor   Cost O(levels x caps + log holds). Runs when memory is full: it frees.
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/record
local terms, metadata, deep, ended_by = ARGV[5], ARGV[6], true, 0
local asked = struct.unpack('<i7', terms)
local bills_late, charge_model, next_amount, next_ttl_ms, also_field, actual_tokens = false, nil, 0, 0, nil, nil
if #terms > 7 then
  local flags, model, amount, ttl_ms, field, tokens_at = struct.unpack('<BBc0i7i6I2c0', terms, 8)
  bills_late, charge_model = flags % 2 == 1, model ~= '' and model or nil
  next_amount, next_ttl_ms, also_field = amount, ttl_ms, flags % 4 >= 2 and field or nil
  actual_tokens = flags >= 4 and struct.unpack('<i7', terms, tokens_at) or nil
end
--- @include lib/load
if asked < 0 or asked > MAX_UNITS or next_amount < 0 or next_amount > MAX_UNITS then
  code = INVALID_AMOUNT
end
if code ~= OK then
  return { code, now_ms, FRESH, 0, 0, asked >= 0 and asked <= MAX_UNITS and asked or 0, 0, '', '' }
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
local is_late = hold_state == EXPIRED or hold_is_due
-- Records of expired holds from before the first release that bills late have no terms.
local is_billed_late = bills_late and hold_state == EXPIRED and #record >= AFTER_HOLD
if hold_state == SETTLED then
  --- @inline lib/answer_settled
elseif hold_state == TOMBSTONE then
  code = CANCELLED
elseif is_late and not is_billed_late then
  code = LEASE_EXPIRED
elseif hold_state ~= OPEN and not is_late then
  code = LEASE_NOT_FOUND
else
  local own_amount, own_admitted = hold_amount, hold_admitted
  local floor = hold_flags >= HAS_FLOOR and struct.unpack('<i7', record, hold_terms_at) or 0
  if is_late then
    own_amount, own_admitted = 0, 0
    if not charge_model then
      -- The ledger forgot the hold's terms when it expired; its entry says the model again.
      local label = struct.unpack('<Bc0', record, hold_flags >= HAS_FLOOR and hold_terms_at + 7 or hold_terms_at)
      local _, model_at = struct.unpack('<Bc0', label)
      charge_model = model_at <= #label and struct.unpack('<Bc0', label, model_at) or ''
      charge_model = charge_model ~= '' and charge_model or nil
    end
  end
  used_model = charge_model or used_model
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
local successor
if also_field and (code == OK or hold_state == SETTLED) then
  --- @inline lib/succeed
end
--- @include lib/apply
answer = answer or { code, now_ms, FRESH, payer and payer[BALANCE] or 0, charged, asked, hold_amount, entry_id, notes }
for i = 1, successor and #successor or 0 do
  answer[9 + i] = successor[i]
end
return answer
