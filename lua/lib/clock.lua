-- clock: the server's time, read once per script. Tests expand lib/variants/clock.lua in place of this file.
local function read_clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
