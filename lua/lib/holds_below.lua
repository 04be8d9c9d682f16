-- holds_below: the open holds at the account and below. Sets below: list of their records' flags, amount and label, three
-- elements each.
--- @include lib/keys
--- @include lib/root
--- @include lib/record
--- @include lib/load
--- @include lib/queue
local below = {}
do
  local members = redis.call('ZRANGE', HOLDS, 0, -1)
  for i = 1, #members do
    local field, slash = members[i], string.find(members[i], '/', 1, true)
    local path = slash and string.sub(field, slash + 1) or ''
    if PATH == '' or path == PATH or string.sub(path, 1, #PATH + 1) == PATH .. '/' then
      local held = redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_0 or STORE_1, field)
        or redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_1 or STORE_0, field)
      -- What this script has just freed is still open in the store.
      if held and string.byte(held) == OPEN and not (freed and freed.heads[field]) then
        local _, flags, amount = struct.unpack(HOLD_FORMAT, held)
        local terms_at = AFTER_HOLD + (flags % (2 * WAS_EXTENDED) >= WAS_EXTENDED and 7 or 0) + (flags >= HAS_FLOOR and 7 or 0)
        below[#below + 1], below[#below + 2], below[#below + 3] = flags, amount, (struct.unpack('<Bc0', held, terms_at))
      end
    end
  end
end
