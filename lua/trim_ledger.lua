#!lua flags=allow-oom
--[[ trim_ledger: bounds a shard's ledger where no drainer carries it away; or, for a drainer, drops what it has carried away.
  KEYS   1 config   hash     <namespace>:{<shard>}:config
         2 ledger   stream   <namespace>:{<shard>}:ledger
  ARGV   1 generation  8 raw bytes
         2 limit       entries to keep, about; 0 where 3 is given
         3 behind      '' no drainer speaks; else the first stream id to keep: a drainer is registered from now on, and all
                       before it goes; '0-0' only registers, 'none' ends the registration
         4 max_entries where a drainer speaks: as many may wait, then nothing new is admitted; 0: no bound
  Reply  {code, trimmed}; 0 for a bound where a drainer is registered
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE
  Rule   whoever calls it, the mark of a full backlog is set or taken off by what is there afterwards (lib/mark_backlog).
  Entry  none
]]
--- @include lib/codes
local config, behind = redis.call('HMGET', KEYS[1], 'generation', 'drain'), ARGV[3]
local config_key, ledger_key, trimmed = KEYS[1], KEYS[2], 0
if not config[1] then
  return { NAMESPACE_UNKNOWN, 0 }
elseif config[1] ~= ARGV[1] then
  return { NEEDS_RESTORE, 0 }
elseif behind == '' then
  trimmed = config[2] and 0 or redis.call('XTRIM', ledger_key, 'MAXLEN', '~', ARGV[2])
elseif behind == 'none' then
  redis.call('HDEL', config_key, 'drain', 'max_entries')
else
  redis.call('HSET', config_key, 'drain', 1, 'max_entries', ARGV[4])
  trimmed = redis.call('XTRIM', ledger_key, 'MINID', behind)
end
--- @inline lib/mark_backlog
return { OK, trimmed }
