-- clock (variant for tests): the injected time is the last argument. Production scripts never contain this file.
local function read_clock_ms()
  return tonumber(ARGV[#ARGV])
end
