-- expire: frees holds past their expiry, lazily, in any script on the root; at most 100 a call. The usual case is one
-- comparison: NEXT_EXPIRY_MS is a lower bound, so nothing is due before it. Sets freed.
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
--- @include lib/queue

local EXPIRE_MAX = 100
if root and root[NEXT_EXPIRY_MS] ~= 0 and now_ms >= root[NEXT_EXPIRY_MS] then
  local is_freed = {}
  freed = { entries = {}, records = {}, members = {}, heads = {}, paths = {} }

  -- The node of a level of an expired hold, read when it is not there yet, marked for writing.
  local function touch(path)
    local node = nodes[path]
    if not node then
      local packed = redis.call('HGET', STATE, 'n' .. path)
      node = { struct.unpack(NODE_FORMAT, packed) }
      if node[DAY_ID] ~= today then
        local rolled_path = path
        --- @inline lib/roll
      end
      nodes[path] = node
      node[BALANCE_READ] = node[BALANCE]
      local packed_timed = redis.call('HGET', STATE, 'z' .. path)
      if packed_timed and packed_timed ~= '' then
        -- Of an account beside the call's own, so its periods hold up nobody: what is held belongs to none.
        local due_periods, timed_items = false, {}
        --- @inline lib/timed_read
        timed = timed or {}
        timed[path] = timed_items
      end
      local packed_limits = redis.call('HGET', STATE, 'l' .. path)
      if packed_limits and packed_limits ~= '' then
        limits = limits or {}
        limits[path] = packed_limits
      end
    end
    if not is_freed[path] then
      is_freed[path] = true
      freed.paths[#freed.paths + 1] = path
    end
    return node
  end

  local function free(field, record)
    local _, flags, amount = struct.unpack(HOLD_FORMAT, record)
    local slash = string.find(field, '/', 1, true)
    local id, path = slash and string.sub(field, 1, slash - 1) or field, slash and string.sub(field, slash + 1) or ''
    local account = string.match(ACCOUNT, '^[^/+]*') .. (slash and string.sub(field, slash) or '')
    local admitted = flags % 2 == IS_ADMITTED and amount or 0
    local used_model, packed_label, notes_at = '', nil, nil
    do
      local terms_at = AFTER_HOLD + (flags % (2 * WAS_EXTENDED) >= WAS_EXTENDED and 7 or 0) + (flags >= HAS_FLOOR and 7 or 0)
      packed_label, notes_at = struct.unpack('<Bc0', record, terms_at)
      --- @inline lib/label_model
    end
    --- @inline lib/label_payer
    local ended_levels, at = { '' }, 0
    while at and path ~= '' do
      at = string.find(path, '/', at + 1, true)
      ended_levels[#ended_levels + 1] = at and string.sub(path, 1, at - 1) or path
    end
    if string.byte(record, notes_at) == WITHIN_NOTE then
      local within, listed = struct.unpack('<I2c0', record, notes_at + 1), ended_levels
      account = account .. '+' .. within
      --- @inline lib/within_levels
    end
    for each_level = 1, #ended_levels do
      local node = touch(ended_levels[each_level])
      node[ADMITTED] = node[ADMITTED] - admitted
      node[OPEN_HOLDS] = node[OPEN_HOLDS] - 1
      local items = timed and timed[ended_levels[each_level]]
      for each = 1, items and #items or 0 do
        if items[each][T_MODEL] ~= '' and items[each][T_MODEL] == used_model then
          items[each][T_HELD] = items[each][T_HELD] - admitted
        end
      end
    end
    local payer = touch(label_payer > 0 and ended_levels[label_payer] or path)
    payer[HELD] = payer[HELD] - amount
    if limits then
      local estimated_amount, actual_amount, actual_tokens = amount, nil, nil
      --- @inline lib/correct_rates
    end
    root[SEQUENCE] = root[SEQUENCE] + 1
    freed.entries[#freed.entries + 1] = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, EXPIRE, GENERATION, root[SEQUENCE],
      now_ms, amount, payer[BALANCE], #account, account, #id, id)
    -- All its terms are kept: it may still be billed late.
    local expired = string.char(EXPIRED) .. string.sub(record, 2)
    freed.records[#freed.records + 1] = field
    freed.records[#freed.records + 1] = expired
    freed.heads[field] = expired
  end

  local due = redis.call('ZRANGE', HOLDS, 0, EXPIRE_MAX, 'WITHSCORES')
  root[NEXT_EXPIRY_MS] = 0
  for i = 1, #due, 2 do
    local field, expires_ms = due[i], tonumber(due[i + 1])
    if expires_ms > now_ms or i > 2 * EXPIRE_MAX then
      root[NEXT_EXPIRY_MS] = expires_ms
      break
    end
    local record = redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_0 or STORE_1, field)
      or redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_1 or STORE_0, field)
    -- An index member without an open record is only dropped: the totals are what the ledger says.
    if record and string.byte(record) == OPEN then
      free(field, record)
    end
    freed.members[#freed.members + 1] = field
  end
end
