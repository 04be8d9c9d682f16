#!lua
--[[ read_account: the counters and caps of an account and its ancestors; serves every question that changes nothing.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
  Reply  {code, now_ms, lifetime_purchased, payer_level (0: pays itself), plan ('' none), then per level from the root down:
         node, caps, how many bytes of them are its own (the others are defaults), timed caps, limits (lib/limit: defaults are
         told by a bit), what shadow caps counted}; packed as stored (lib/node, lib/cap, lib/timed, lib/limit), rolled to
         the present; '' where a level has none
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED ACCOUNT_UNKNOWN
  Entry  none of its own; frees expired holds like every script on the root   Cost O(levels)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/load
if code ~= OK or not root then
  return { code ~= OK and code or ACCOUNT_UNKNOWN, now_ms, 0, 0, '' }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/own_plan
--- @include lib/apply
local stored = redis.call('HGET', STATE, 'g' .. PATH)
local reply = { nodes[PATH] and OK or ACCOUNT_UNKNOWN, now_ms, stored and struct.unpack('<i7', stored) or 0, payer_level, own_plan }
for i = 1, #levels do
  local node = nodes[levels[i]]
  reply[6 * i] = node and struct.pack(NODE_FORMAT, unpack(node, 1, OPEN_HOLDS)) or ''
  reply[6 * i + 1] = caps[levels[i]] or ''
  reply[6 * i + 2] = #(own_caps and own_caps[levels[i]] or reply[6 * i + 1])
  local timed_items, packed_timed = timed and timed[levels[i]], ''
  if timed_items then
    --- @inline lib/timed_write
  end
  reply[6 * i + 3] = packed_timed
  local at, present = 1, ''
  local items = limited and limited[levels[i]] or limits and limits[levels[i]] or ''
  while at <= #items do
    --- @inline lib/limit_state
    --- @inline lib/limit_pack
    present, at = present .. packed_limit, next_at
  end
  reply[6 * i + 4] = present
  reply[6 * i + 5] = caps[levels[i]] and redis.call('HGET', STATE, 'w' .. levels[i]) or ''
end
return reply
