-- mark_backlog (inline): marks the backlog as full when it has come to its bound, and takes the mark off below nine tenths of it,
-- or where there is no bound: no drainer is registered, or it has set none. A config from before there were defaults has no
-- field d to mark until setup has mended it. Reads config_key, ledger_key.
--- @include lib/backlog
do
  local found = redis.call('HMGET', config_key, 'd', 'drain', 'max_entries')
  local known, bound = found[1], found[2] and tonumber(found[3] or 0) or 0
  local is_marked = known and string.byte(known) == FULL_BYTE
  local waiting = bound > 0 and redis.call('XLEN', ledger_key) or 0
  if known and bound > 0 and waiting >= bound and not is_marked then
    redis.call('HSET', config_key, 'd', FULL_MARK .. known)
  elseif is_marked and (bound == 0 or 10 * waiting < 9 * bound) then
    redis.call('HSET', config_key, 'd', string.sub(known, 2))
  end
end
