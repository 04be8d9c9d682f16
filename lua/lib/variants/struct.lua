-- struct (variant for the embedded engine): the part of Redis' struct library that our formats use, in plain Lua.
-- Little endian only; B, I<n>, i<n> integers, c<n> fixed strings, c0 the rest (pack) or the length read before it (unpack).
local struct = {}

-- Negative numbers are written as the inverted bytes of -value - 1: adding 256^n first would pass 2^53.
local function struct_integer_bytes(value, size)
  local negative = value < 0
  if negative then
    value = -value - 1
  end
  local out = {}
  for i = 1, size do
    local byte = value % 256
    out[i] = string.char(negative and 255 - byte or byte)
    value = (value - byte) / 256
  end
  return table.concat(out)
end

-- Signed integers are read as (low bytes) + (signed top byte) * 256^(n-1): adding the unsigned value first would pass 2^53.
local function struct_read_integer(data, pos, size, signed)
  local top = string.byte(data, pos + size - 1)
  if signed and top >= 128 then
    top = top - 256
  end
  local value = 0
  for i = size - 2, 0, -1 do
    value = value * 256 + string.byte(data, pos + i)
  end
  return top * 256 ^ (size - 1) + value
end

function struct.pack(format, ...)
  local values, at, out = { ... }, 1, {}
  for kind, digits in string.gmatch(format, '([BIic])(%d*)') do
    local value = values[at]
    at = at + 1
    if kind == 'c' then
      out[#out + 1] = digits == '0' and value or string.sub(value, 1, tonumber(digits))
    else
      out[#out + 1] = struct_integer_bytes(value, kind == 'B' and 1 or tonumber(digits))
    end
  end
  return table.concat(out)
end

function struct.unpack(format, data, pos)
  pos = pos or 1
  local out = {}
  for kind, digits in string.gmatch(format, '([BIic])(%d*)') do
    local size = kind == 'B' and 1 or tonumber(digits)
    if kind == 'c' and size == 0 then
      size = out[#out]
      out[#out] = nil
    end
    if pos + size - 1 > #data then
      error('data string too short')
    end
    if kind == 'c' then
      out[#out + 1] = string.sub(data, pos, pos + size - 1)
    else
      out[#out + 1] = struct_read_integer(data, pos, size, kind == 'i')
    end
    pos = pos + size
  end
  out[#out + 1] = pos
  return unpack(out)
end
