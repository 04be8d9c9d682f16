#!lua flags=allow-oom
--[[ trim_ledger: bounds a shard's ledger where no drainer carries it away; or, for a drainer, drops what it has carried away.
  KEYS   1 config   hash     <namespace>:{<shard>}:config
         2 ledger   stream   <namespace>:{<shard>}:ledger
  ARGV   1 generation  8 raw bytes
         2 limit       entries to keep, about; 0 where 3 is given
         3 behind      '' no drainer speaks; else the first stream id to keep: a drainer is registered from now on, and all
                       before it goes; '0-0' only registers, 'none' ends the registration
  Reply  {code, trimmed}; 0 for a bound where a drainer is registered
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE
  Entry  none
]]
--- @include lib/codes
local config, behind = redis.call('HMGET', KEYS[1], 'generation', 'drain'), ARGV[3]
if not config[1] then
  return { NAMESPACE_UNKNOWN, 0 }
elseif config[1] ~= ARGV[1] then
  return { NEEDS_RESTORE, 0 }
elseif behind == '' then
  return { OK, config[2] and 0 or redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[2]) }
elseif behind == 'none' then
  redis.call('HDEL', KEYS[1], 'drain')
  return { OK, 0 }
end
redis.call('HSET', KEYS[1], 'drain', 1)
return { OK, redis.call('XTRIM', KEYS[2], 'MINID', behind) }
