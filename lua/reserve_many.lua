#!lua
--[[ reserve_many: reserve for several accounts of one shard, each decided by itself, in order.
  KEYS   1 ledger, 2 config, 3 events of the shard; then per item: state, holds, store 0, store 1 (lib/item_keys)
  ARGV   1 generation  8 raw bytes
         2 count       of items; then per item:
         +1 account, +2 path, +3 field 'h<hold id>[/<path>]', +4 terms, +5 metadata as in reserve
  Reply  per item the reply of reserve
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
         ACCOUNT_UNKNOWN
         BACKLOG_FULL TOO_MANY_HOLDS CONCURRENCY_LIMIT RATE_LIMITED CAP_REACHED INSUFFICIENT_CREDITS
  Rule   a refused item does not stop the others. One that meets the end of a period (ROLL_NEEDED) waits for the client,
         and so do later ones of its root: they are decided in order.
  Entry  HOLD per item   Cost O(items x log holds); at most 100 are sent
]]
--- @replace lib/keys lib/item_keys
--- @include lib/codes
--- @include lib/clock
local replies, waiting, key_at, arg_at = {}, {}, 3, 2
for item = 1, tonumber(ARGV[2]) do
  --- @include lib/item_keys
  if waiting[STATE] then
    replies[item] = { ROLL_NEEDED, now_ms }
  else
    local terms, metadata = ARGV[arg_at + 4], ARGV[arg_at + 5]
    --- @include lib/admit
    replies[item] = reply
    if reply[1] == ROLL_NEEDED then
      waiting[STATE] = true
    end
  end
  key_at, arg_at = key_at + 4, arg_at + 5
end
return replies
