-- clock: the server's time, read once per script. Tests expand lib/variants/clock.lua in place of this file.
local time = redis.call('TIME')
local micros = time[2] + 0
local now_ms = time[1] * 1000 + (micros - micros % 1000) / 1000
