#!lua
--[[ restore_root: writes a root, or a part of one, into a shard that is being restored.
  KEYS   the six of a root (lib/keys)
  ARGV   1 generation  8 raw bytes
         2 root record packed (lib/root); '' more parts follow
         3 records     number of the arguments that are operation records: field, record ...
         4 index       number of those that are open holds: expiry, field ...
         5 fields      number of those that are other fields of the state: field, value ...
         6-            records, index, fields
  Reply  {code, written}; 0 where the root is complete already, by this restore
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE (the shard is not being restored, or the root is there and not by this restore)
  Rule   the root record comes last: a root that has one is complete, so a restore that was cut off goes on. Parts are at
         most 1,000 arguments.
  Entry  none: what it writes is what entries that lie in SQL add up to   Cost O(arguments)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/root

local ROOT_RECORD, FIRST = ARGV[2], 6
local present = redis.call('HGET', STATE, 'r')
if present and #present == ROOT_BYTES and string.sub(present, 2, 9) == GENERATION then
  return { OK, 0 }
end
local config = redis.call('HMGET', CONFIG, 'generation', 'state')
if not config[1] then
  return { NAMESPACE_UNKNOWN, 0 }
elseif present or config[1] ~= GENERATION or config[2] ~= 'restoring' then
  return { NEEDS_RESTORE, 0 }
end
local index_at = FIRST + tonumber(ARGV[3])
local state_at = index_at + tonumber(ARGV[4])
if index_at > FIRST then
  redis.call('HSET', STORE_0, unpack(ARGV, FIRST, index_at - 1))
end
if state_at > index_at then
  redis.call('ZADD', HOLDS, unpack(ARGV, index_at, state_at - 1))
end
if ARGV[5] ~= '0' then
  redis.call('HSET', STATE, unpack(ARGV, state_at, state_at + tonumber(ARGV[5]) - 1))
end
if ROOT_RECORD ~= '' then
  redis.call('HSET', STATE, 'r', ROOT_RECORD)
end
return { OK, 1 }
