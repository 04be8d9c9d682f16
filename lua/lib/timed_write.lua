-- timed_write (inline): a function that packs timed caps.
--- @include lib/timed

local function write_timed(items)
  local packed = ''
  for i = 1, #items do
    local item = items[i]
    packed = packed .. struct.pack(TIMED_FORMAT, item[T_KIND], item[T_ACTION], item[T_LIMIT], item[T_SPENT], item[T_HELD],
      item[T_START], item[T_END], item[T_SINCE], #item[T_OTHERS] / 2, #item[T_ZONE], #item[T_MODEL])
    for at = 1, #item[T_OTHERS], 2 do
      packed = packed .. struct.pack(OTHER_FORMAT, item[T_OTHERS][at], item[T_OTHERS][at + 1])
    end
    packed = packed .. item[T_ZONE] .. item[T_MODEL]
  end
  return packed
end
