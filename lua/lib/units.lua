-- units: amounts are whole units, exact up to 2^53-1; anything else is refused before it is used.
local MAX_UNITS = 9007199254740991

-- Reads an amount argument; nil unless it is a plain decimal integer of at least lowest, and exact. tonumber alone
-- would take "0x10", " 5 ", "1e3" and "nan", and nan passes every comparison that follows.
local function read_units(text, lowest)
  if not string.find(text, '^%-?%d+$') or #text > 17 then
    return nil
  end
  local value = tonumber(text)
  if value < lowest or value > MAX_UNITS then
    return nil
  end
  return value
end
