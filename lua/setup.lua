#!lua
--[[ setup: reads or writes the namespace's configuration on one shard.
  KEYS   1 config   hash     <namespace>:{<shard>}:config
         2 ledger   stream   <namespace>:{<shard>}:ledger
  ARGV   1 action      'read', 'create' (only when there is none) or 'ready' (mark a created one ready)
         2 generation  8 raw bytes
         3 precision   decimal places, 0 to 9
         4 shards      number of shards of the namespace
         5 state       'creating' or 'ready', for create
  Reply  {code, created, generation, layout, precision, shards, state, defaults_version, defaults}; the configuration that now
         stands; the last two as in set_defaults
  Codes  NAMESPACE_UNKNOWN (read, ready: there is none) NEEDS_RESTORE (ready: another generation)
  Entry  OPEN on creation, so that the stream exists before any script needs it
]]
--- @include lib/codes
--- @include lib/struct

local CONFIG, LEDGER = KEYS[1], KEYS[2]
local LAYOUT, OPENED = 1, 8

local function answer(code, created)
  local config = redis.call('HMGET', CONFIG, 'generation', 'layout', 'precision', 'shards', 'state', 'defaults_version', 'defaults')
  for i = 1, 7 do
    config[i] = config[i] or ''
  end
  return { code, created, unpack(config, 1, 7) }
end

-- No defaults: where the field is missing, scripts make sure that the config is there (lib/read_defaults).
local no_defaults = { 'defaults_version', 0, 'd', '' }
local generation = redis.call('HGET', CONFIG, 'generation')
if ARGV[1] == 'create' and not generation then
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('XADD', LEDGER, '*', 'e', struct.pack('<BBc4i5i6i7i7I2I2', 1, OPENED, ARGV[2], 0, now_ms, tonumber(ARGV[3]), 0, 0, 0))
  redis.call('HSET', CONFIG, 'generation', ARGV[2], 'layout', LAYOUT, 'precision', ARGV[3], 'shards', ARGV[4],
    'state', ARGV[5], unpack(no_defaults))
  return answer(OK, 1)
end
if not generation then
  return answer(NAMESPACE_UNKNOWN, 0)
end
if ARGV[1] ~= 'read' and not redis.call('HGET', CONFIG, 'd') then
  redis.call('HSET', CONFIG, unpack(no_defaults))
end
if ARGV[1] == 'ready' then
  if generation ~= ARGV[2] then
    return answer(NEEDS_RESTORE, 0)
  end
  redis.call('HSET', CONFIG, 'state', 'ready')
end
return answer(OK, 0)
