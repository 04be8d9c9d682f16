-- load_level (inline): takes what was read of one level of the account: node and timed caps rolled to the present, caps, limits,
-- defaults. Reads level (its path), level_node, level_caps, level_limits, level_defaults (as stored), now_ms, today.
-- Sets nodes, caps, limits, timed, due_periods. What freed holds have changed already stays (lib/expire, memberships).
--- @include lib/struct
--- @include lib/keys
--- @include lib/node
--- @include lib/timed
if level_node and not nodes[level] then
  local node = { struct.unpack(NODE_FORMAT, level_node) }
  if node[DAY_ID] ~= today then
    local rolled_path = level
    --- @inline lib/roll
  end
  nodes[level] = node
  node[BALANCE_READ] = node[BALANCE]
end
if level_limits and level_limits ~= '' and not (limits and limits[level]) then
  limits = limits or {}
  limits[level] = level_limits
end
caps[level] = level_caps
if level_caps and string.byte(level_caps) == MARKER and not (timed and timed[level]) then
  local packed_timed, timed_items = redis.call('HGET', STATE, 'z' .. level), {}
  --- @inline lib/timed_read
  timed = timed or {}
  timed[level] = timed_items
end
if level_defaults and level_defaults ~= '' and level_node then
  local given_defaults, merged_path = level_defaults, level
  --- @inline lib/merge_defaults
end
