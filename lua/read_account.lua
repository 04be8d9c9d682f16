#!lua
--[[ read_account: the counters and caps of an account and its ancestors; serves every question that changes nothing.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
  Reply  {code, now_ms, lifetime_purchased, then per level from the root down: node, caps}; both packed as stored
         (lib/node, lib/caps), the node rolled to the present; both '' where a level has none
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ACCOUNT_UNKNOWN
  Entry  none of its own; frees expired holds like every script on the root   Cost O(levels)
]]
--- @include lib/codes
--- @include lib/struct
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/state
--- @include lib/records
--- @include lib/holds
--- @include lib/expire
--- @include lib/apply

local levels = levels_of(PATH)
local code = load_account(levels)
if code ~= OK then
  return { code, now_ms, 0 }
end
if not root then
  return { ACCOUNT_UNKNOWN, now_ms, 0 }
end
free_expired()
apply_housekeeping()
local grants = redis.call('HGET', STATE, 'g' .. PATH)
local reply = { nodes[PATH] and OK or ACCOUNT_UNKNOWN, now_ms, grants and struct.unpack('<i7', grants) or 0 }
for i = 1, #levels do
  local node = nodes[levels[i]]
  reply[2 + 2 * i] = node and pack_node(node) or ''
  reply[3 + 2 * i] = caps[levels[i]] or ''
end
return reply
