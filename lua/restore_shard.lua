#!lua
--[[ restore_shard: begins the restore of a shard: its config says so, its ledger begins anew.
  KEYS   1 config   hash     <namespace>:{<shard>}:config
         2 ledger   stream   <namespace>:{<shard>}:ledger
  ARGV   1 generation  8 raw bytes: of the restored namespace
         2 precision   3 shards
         4 replaced    generation that may stand here ('' none): the caller has made sure that nothing of it is needed
  Reply  {code, begun}; 0 where this restore has begun the shard before
  Codes  NEEDS_RESTORE (another generation stands here than may be replaced)
  Rule   no call is admitted on the shard from here to setup 'ready': its state is 'restoring'
         A drainer counts as registered: what comes here came from one
  Entry  RESTORE, of no root: the first of its stream, so whatever reads it knows that earlier entries lie elsewhere
]]
--- @include lib/codes
--- @include lib/struct

local CONFIG, LEDGER = KEYS[1], KEYS[2]
local LAYOUT, RESTORED = 1, 20

local found = redis.call('HMGET', CONFIG, 'generation', 'state')
if found[1] == ARGV[1] then
  return { OK, 0 }
elseif found[1] and found[1] ~= ARGV[4] then
  return { NEEDS_RESTORE, 0 }
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
-- The config goes first: without one, every call of a client is refused.
redis.call('UNLINK', CONFIG, LEDGER)
redis.call('XADD', LEDGER, '*', 'e', struct.pack('<BBc4i5i6i7i7I2I2', 1, RESTORED, ARGV[1], 0, now_ms, tonumber(ARGV[2]), 0, 0, 0))
redis.call('HSET', CONFIG, 'generation', ARGV[1], 'layout', LAYOUT, 'precision', ARGV[2], 'shards', ARGV[3],
  'state', 'restoring', 'defaults_version', 0, 'd', '', 'drain', 1)
return { OK, 1 }
