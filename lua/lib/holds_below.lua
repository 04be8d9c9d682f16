-- holds_below: the open holds at the account and below, those within it too. Sets below: list of their records' flags, amount and label, three
-- elements each.
--- @include lib/keys
--- @include lib/root
--- @include lib/record
--- @include lib/cap
--- @include lib/load
--- @include lib/queue
local below = {}
do
  local members = redis.call('ZRANGE', HOLDS, 0, -1)
  for i = 1, #members do
    local field, slash = members[i], string.find(members[i], '/', 1, true)
    local path = slash and string.sub(field, slash + 1) or ''
    local held = redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_0 or STORE_1, field)
      or redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_1 or STORE_0, field)
    -- What this script has just freed is still open in the store.
    if held and string.byte(held) == OPEN and not (freed and freed.heads[field]) then
      local _, flags, amount = struct.unpack(HOLD_FORMAT, held)
      local terms_at = AFTER_HOLD + (flags % (2 * WAS_EXTENDED) >= WAS_EXTENDED and 7 or 0) + (flags >= HAS_FLOOR and 7 or 0)
      local packed_label, notes_at = struct.unpack('<Bc0', held, terms_at)
      local paths = path
      if string.byte(held, notes_at) == WITHIN_NOTE then
        paths = path .. '+' .. struct.unpack('<I2c0', held, notes_at + 1)
      end
      -- Each path with a slash behind it, so that one is below another when it begins with it.
      if PATH == '' or string.find('+' .. string.gsub(paths, '%+', '/+') .. '/', '+' .. PATH .. '/', 1, true) then
        below[#below + 1], below[#below + 2], below[#below + 3] = flags, amount, packed_label
      end
    end
  end
end
