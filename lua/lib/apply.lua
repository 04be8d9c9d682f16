-- apply: the one place that writes. First the ledger entries, then what only adds, state, records and index: a script
-- that is stopped half-way is not rolled back, so money never moves without its entry. Reads what lib/queue declares.
-- Sets entry_id: the stream id of the operation's entry, which names the transaction ('' without one).
--- @include lib/keys
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/load
--- @include lib/queue
--- @include lib/expire
local entry_id = ''
if dirty or freed then
  -- Stops before the first write when a total would leave the exact range, something held would be negative, or the
  -- balances changed by anything else than what was granted and charged.
  local change = 0
  for path, n in pairs(nodes) do
    change = change + (n[BALANCE] - n[BALANCE_READ])
    if not (n[BALANCE] >= -MAX_UNITS and n[BALANCE] <= MAX_UNITS and n[HELD] >= 0 and n[HELD] <= MAX_UNITS
      and n[ADMITTED] >= 0 and n[ADMITTED] <= MAX_UNITS and n[SPENT_DAY] >= 0 and n[SPENT_MONTH] >= 0
      and n[SPENT_TOTAL] <= MAX_UNITS and n[OPEN_HOLDS] >= 0) then
      error('ducto: a counter of node "' .. path .. '" would leave its range')
    end
  end
  if change ~= balance_change then
    error('ducto: balances do not add up')
  end

  if freed then
    for i = 1, #freed.entries do
      redis.call('XADD', LEDGER, '*', 'e', freed.entries[i])
    end
  end
  if entry then
    entry_id = redis.call('XADD', LEDGER, '*', 'e', entry)
  end
  for i = 1, also and #also or 0 do
    if also[i].entry then
      redis.call('XADD', LEDGER, '*', 'e', also[i].entry)
    end
  end

  -- The stores rotate when a day has passed (or the clock stepped far back), unless a hold whose record lies in the
  -- store to be dropped may still be open.
  local age_ms, dropped = now_ms - root[ROTATED_MS], nil
  if (age_ms >= ROTATE_MS or age_ms <= -ROTATE_MS) and root[PREVIOUS_LAST_MS] <= now_ms
    and (root[NEXT_EXPIRY_MS] == 0 or root[NEXT_EXPIRY_MS] > now_ms) then
    dropped = root[ROTATION] % 2 == 0 and STORE_1 or STORE_0
    root[ROTATION] = 3 - root[ROTATION] % 2
    root[ROTATED_MS] = now_ms
    root[PREVIOUS_LAST_MS] = root[CURRENT_LAST_MS]
    root[CURRENT_LAST_MS] = 0
  end
  if record_expires_ms > root[CURRENT_LAST_MS] then
    root[CURRENT_LAST_MS] = record_expires_ms
  end

  -- The order from here on lets a command that fails (a missing permission, say) leave nothing half done: what only
  -- adds to the index or drops what is out of use comes before the state, what takes from the index comes last - an
  -- index member without an open hold is harmless, an open hold without one would never expire.
  if index_expires_ms then
    redis.call('ZADD', HOLDS, index_expires_ms, FIELD)
  end
  for i = 1, also and #also or 0 do
    if also[i].expires_ms then
      redis.call('ZADD', HOLDS, also[i].expires_ms, also[i].field)
    end
  end
  if dropped then
    redis.call('UNLINK', dropped)
  end

  local packed_root = struct.pack(ROOT_FORMAT, root[1], root[2], root[3], root[4], root[5], root[6], root[7], root[8])
  if #levels == 1 and dirty == levels and not (freed or extra_field or others or timed) then
    -- Written out: unpack() is a call that costs more than thirteen look-ups.
    local n = nodes['']
    local packed_node = struct.pack(NODE_FORMAT, n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11],
      n[12], n[13])
    if limited then
      redis.call('HSET', STATE, 'r', packed_root, 'n', packed_node, 'l', limited[''])
    else
      redis.call('HSET', STATE, 'r', packed_root, 'n', packed_node)
    end
  else
    local fields = { 'r', packed_root }
    --- @inline lib/timed_write
    for _, paths in ipairs({ freed and freed.paths or {}, dirty or {} }) do
      for i = 1, #paths do
        fields[#fields + 1] = 'n' .. paths[i]
        fields[#fields + 1] = struct.pack(NODE_FORMAT, unpack(nodes[paths[i]], 1, OPEN_HOLDS))
        if others and others[paths[i]] then
          fields[#fields + 1] = 'b' .. paths[i]
          fields[#fields + 1] = others[paths[i]]
        end
        if timed and timed[paths[i]] then
          fields[#fields + 1] = 'z' .. paths[i]
          fields[#fields + 1] = write_timed(timed[paths[i]])
        end
        if limited and limited[paths[i]] then
          fields[#fields + 1] = 'l' .. paths[i]
          fields[#fields + 1] = limited[paths[i]]
        end
      end
    end
    if extra_field then
      fields[#fields + 1] = extra_field
      fields[#fields + 1] = extra_value
    end
    redis.call('HSET', STATE, unpack(fields))
  end

  local store = root[ROTATION] % 2 == 0 and STORE_0 or STORE_1
  if freed and #freed.records > 0 then
    redis.call('HSET', store, unpack(freed.records))
  end
  if record_head then
    if record_tail then
      record_head = record_head .. struct.pack('<Bc0', #entry_id, entry_id) .. record_tail
    end
    redis.call('HSET', store, FIELD, record_head)
  end
  for i = 1, also and #also or 0 do
    redis.call('HSET', store, also[i].field, also[i].record)
  end
  if freed and #freed.members > 0 then
    redis.call('ZREM', HOLDS, unpack(freed.members))
  end
  if index_drop then
    redis.call('ZREM', HOLDS, FIELD)
  end
end
