#!lua
--[[ reserve: sets an amount aside before the work - the admission gate, all or nothing.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]', the hold's record
         5 terms       packed: amount (i7, >= 0), floor (i7) the payer's balance may not fall below, ttl_ms (i6, 1000 to
                       604800000), flags (B: 1 admit against caps, 2 strict, 4 look for a repetition in the previous
                       store too, 8 strict for the balance only: settling may pass caps and says
                       so, 16 only ask: nothing is taken and every cap is told), label with its
                       length (B): what the client packed of type, model and mode; opaque here
         6 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, held, amount, expires_ms, notes}; balance and held after the hold
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
         ACCOUNT_UNKNOWN
         BACKLOG_FULL TOO_MANY_HOLDS CONCURRENCY_LIMIT RATE_LIMITED CAP_REACHED INSUFFICIENT_CREDITS
  Entry  HOLD   Writes nothing of the decision when refused.   Cost O(levels x caps + log holds)
]]
local terms, metadata = ARGV[5], ARGV[6]
--- @include lib/admit
return reply
