#!lua
--[[ deduct: charges at once what reserve would admit, or refuses like it; no hold.
  KEYS   the six of a root and its shard's events (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'd<op id>[/<path>]'
         5 terms       packed: amount (i7, >= 0), floor (i7), flags (B: 2 strict, 4 look into the previous store
                       too, 16 only ask: nothing is taken, every cap is told), label with its length (B): what the client packed of type, model and mode
         6 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, charged, asked, held_amount, transaction_id, notes}; balance after,
         held_amount 0
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED ACCOUNT_UNKNOWN
         BACKLOG_FULL CONCURRENCY_LIMIT RATE_LIMITED CAP_REACHED INSUFFICIENT_CREDITS
  Entry  CHARGE   Writes nothing of the decision when refused.   Cost O(levels x caps)
]]
local terms, metadata = ARGV[5], ARGV[6]
--- @include lib/charge
return reply
