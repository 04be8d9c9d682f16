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
--- @include lib/backlog
local entry_id = ''
if dirty or freed then
  -- Stops before the first write when a total would leave the exact range, something held would be negative, or the
  -- balances changed by anything else than what was granted and charged.
  local change = 0
  local checked = levels
  if freed then
    checked = {}
    for path in pairs(nodes) do
      checked[#checked + 1] = path
    end
  end
  for i = 1, #checked do
    local n = nodes[checked[i]]
    change = change + (n and n[BALANCE] - n[BALANCE_READ] or 0)
    if n and not (n[BALANCE] >= -MAX_UNITS and n[BALANCE] <= MAX_UNITS and n[HELD] >= 0 and n[HELD] <= MAX_UNITS
      and n[ADMITTED] >= 0 and n[ADMITTED] <= MAX_UNITS and n[SPENT_DAY] >= 0 and n[SPENT_MONTH] >= 0
      and n[SPENT_TOTAL] <= MAX_UNITS and n[OPEN_HOLDS] >= 0) then
      error('ducto: a counter of node "' .. checked[i] .. '" would leave its range')
    end
  end
  if change ~= balance_change then
    error('ducto: balances do not add up')
  end

  if shadowed and dirty then
    --- @inline lib/count_shadows
  end
  if crossed then
    -- Stops before the first write where there is no stream to tell it in.
    redis.call('XLEN', EVENTS)
  end
  if freed then
    for i = 1, #freed.entries do
      redis.call('XADD', LEDGER, '*', 'e', freed.entries[i])
    end
  end
  if entry then
    entry_id = redis.call('XADD', LEDGER, '*', 'e', entry)
  end
  if also then
    for i = 1, #also do
      if also[i].entry then
        redis.call('XADD', LEDGER, '*', 'e', also[i].entry)
      end
    end
  end

  if crossed then
    --- @inline lib/tell_crossed
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
  if also then
    for i = 1, #also do
      if also[i].expires_ms then
        redis.call('ZADD', HOLDS, also[i].expires_ms, also[i].field)
      end
    end
  end
  if dropped then
    redis.call('UNLINK', dropped)
  end

  local packed_root = struct.pack(ROOT_FORMAT, root[1], root[2], root[3], root[4], root[5], root[6], root[7], root[8])
  if dirty == levels and #levels == 1 and not (freed or extra_field or others or timed or own_limit_bytes or shadow_fields) then
    -- Written out: unpack() is a call that costs more than thirteen look-ups, and a list of fields more than a line.
    local n = nodes['']
    local packed_node = struct.pack(NODE_FORMAT, n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12], n[13])
    if limited then
      redis.call('HSET', STATE, 'r', packed_root, 'n', packed_node, 'l', limited[''])
    else
      redis.call('HSET', STATE, 'r', packed_root, 'n', packed_node)
    end
  else
    local fields, paths, at = { 'r', packed_root, nil, nil, nil, nil, nil, nil }, dirty or {}, 2
    if freed then
      paths = freed.paths
      for i = 1, dirty and #dirty or 0 do
        paths[#paths + 1] = dirty[i]
      end
    end
    for i = 1, #paths do
      local path = paths[i]
      local n = nodes[path]
      fields[at + 1], fields[at + 2] = 'n' .. path, struct.pack(NODE_FORMAT, n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8],
        n[9], n[10], n[11], n[12], n[13])
      at = at + 2
      if others and others[path] then
        fields[at + 1], fields[at + 2] = 'b' .. path, others[path]
        at = at + 2
      end
      if limited and limited[path] then
        local own_bytes = own_limit_bytes and own_limit_bytes[path] or #limited[path]
        if own_bytes > 0 or own_bytes == #limited[path] then
          fields[at + 1], fields[at + 2] = 'l' .. path, string.sub(limited[path], 1, own_bytes)
          at = at + 2
        end
        if own_bytes < #limited[path] then
          -- What defaults have used: the state alone, though the definition beside it saves taking them apart.
          fields[at + 1], fields[at + 2] = 'm' .. path, string.sub(limited[path], own_bytes + 1)
          at = at + 2
        end
      end
      local timed_items, packed_timed = timed and timed[path], ''
      if timed_items then
        --- @inline lib/timed_write
        fields[at + 1], fields[at + 2] = 'z' .. path, packed_timed
        at = at + 2
      end
    end
    for i = 1, shadow_fields and #shadow_fields or 0 do
      at = at + 1
      fields[at] = shadow_fields[i]
    end
    if extra_field then
      fields[at + 1], fields[at + 2] = extra_field, extra_value
      at = at + 2
    end
    redis.call('HSET', STATE, unpack(fields, 1, at))
  end

  local store = root[ROTATION] % 2 == 0 and STORE_0 or STORE_1
  if freed and #freed.records > 0 then
    redis.call('HSET', store, unpack(freed.records))
  end
  if record_head then
    if record_tail then
      record_head = record_head .. string.char(#entry_id) .. entry_id .. record_tail
    end
    redis.call('HSET', store, FIELD, record_head)
  end
  if also then
    for i = 1, #also do
      redis.call('HSET', store, also[i].field, also[i].record)
    end
  end
  if freed and #freed.members > 0 then
    redis.call('ZREM', HOLDS, unpack(freed.members))
  end
  if index_drop then
    redis.call('ZREM', HOLDS, FIELD)
  end

  -- How much waits for the drainer is looked at now and then only. The mark moves no money: it comes behind all else.
  if now_ms % SAMPLE_MS == 0 then
    local config_key, ledger_key = CONFIG, LEDGER
    --- @inline lib/mark_backlog
  end
end
