#!lua
--[[ reserve: sets an amount aside before the work - the admission gate, all or nothing.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]', the hold's record
         5 amount      units, >= 0
         6 floor       units the payer's balance may not fall below
         7 ttl_ms      1000 to 604800000
         8 flags       1 admit against caps, 2 strict, 4 look for a repetition in the previous store too, 8 strict for
                       the balance only: settling may pass caps and says so
         9 label       what the client packed of type, model and mode; opaque here, at most 255 bytes
        10 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, held, amount, expires_ms, notes}; balance and held after the hold
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
         ACCOUNT_UNKNOWN
         TOO_MANY_HOLDS CONCURRENCY_LIMIT RATE_LIMITED CAP_REACHED INSUFFICIENT_CREDITS
  Entry  HOLD   Writes nothing of the decision when refused.   Cost O(levels x caps + log holds)
]]
local asked_amount, asked_floor, asked_ttl_ms, flags = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local label, metadata = ARGV[9], ARGV[10]
--- @include lib/admit
return reply
