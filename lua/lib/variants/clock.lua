-- clock (variant for tests): the injected time is the last argument. Production scripts never contain this file.
local now_ms = tonumber(ARGV[#ARGV])
