#!lua flags=allow-oom
--[[ trim_ledger: bounds a shard's ledger where no drainer carries it away.
  KEYS   1 config   hash     <namespace>:{<shard>}:config
         2 ledger   stream   <namespace>:{<shard>}:ledger
  ARGV   1 generation  8 raw bytes
         2 limit       entries to keep, about
  Reply  {code, trimmed}; 0 where a drainer is registered
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE
  Entry  none
]]
--- @include lib/codes
local config = redis.call('HMGET', KEYS[1], 'generation', 'drain')
if not config[1] then
  return { NAMESPACE_UNKNOWN, 0 }
elseif config[1] ~= ARGV[1] then
  return { NEEDS_RESTORE, 0 }
end
return { OK, config[2] and 0 or redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[2]) }
