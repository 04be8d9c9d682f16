-- load_within (inline): adds the levels of memberships to those of the account: their caps, limits and open holds decide and
-- count like those of its own path. Reads within, levels, known_defaults. Sets levels, nodes, caps, limits, timed, due_periods, within_note,
-- is_stranger, and code where the config is not what it must be.
--- @include lib/struct
--- @include lib/keys
--- @include lib/cap
do
  local listed, first_level, fields, defaults = levels, #levels + 1, {}, nil
  --- @inline lib/within_levels
  within_note = string.char(WITHIN_NOTE) .. struct.pack('<I2c0', #within, within)
  if known_defaults ~= '' then
    --- @inline lib/read_defaults
  end
  for at = first_level, #levels do
    fields[#fields + 1], fields[#fields + 2], fields[#fields + 3] = 'n' .. levels[at], 'c' .. levels[at], 'l' .. levels[at]
  end
  local values = #fields > 0 and redis.call('HMGET', STATE, unpack(fields))
  for at = first_level, #levels do
    local value_at = 3 * (at - first_level)
    local level, level_node, level_caps, level_limits = levels[at], values[value_at + 1], values[value_at + 2], values[value_at + 3]
    local level_defaults = defaults and defaults[at]
    is_stranger = is_stranger or not level_node
    --- @inline lib/load_level
  end
end
