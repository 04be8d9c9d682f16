#!lua
--[[ read_holds: the open holds of an account itself, soonest expiry first.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 limit       how many are listed, 1 to 1000
  Reply  {code, now_ms, total, then per hold: field, record}
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED ACCOUNT_UNKNOWN
  Entry  none of its own; frees expired holds like every script on the root
  Cost   O(open holds of the root), at most 10,000
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/root
--- @include lib/record
--- @include lib/load
if code ~= OK or not nodes[PATH] then
  return { code ~= OK and code or ACCOUNT_UNKNOWN, now_ms, 0 }
end
--- @include lib/expire
--- @include lib/apply
local limit, suffix, reply = tonumber(ARGV[4]), PATH ~= '' and '/' .. PATH or '', { OK, now_ms, 0 }
local members = redis.call('ZRANGE', HOLDS, 0, -1)
for i = 1, #members do
  local field, slash = members[i], string.find(members[i], '/', 1, true)
  if (slash and string.sub(field, slash) or '') == suffix then
    if reply[3] < limit then
      local record = redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_0 or STORE_1, field)
        or redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_1 or STORE_0, field)
      if record and string.byte(record) == OPEN then
        reply[#reply + 1] = field
        reply[#reply + 1] = record
        reply[3] = reply[3] + 1
      end
    else
      reply[3] = reply[3] + 1
    end
  end
end
return reply
