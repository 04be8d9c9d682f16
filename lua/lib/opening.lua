-- opening: creates the root and the nodes of an account that does not exist yet, for the writes that may do so.
--- @include lib/keys
--- @include lib/root
--- @include lib/calendar
--- @include lib/load
root = root or { LAYOUT, GENERATION, 0, 0, now_ms, 0, 0, 0 }
for i = 1, #levels do
  local path = levels[i]
  if not nodes[path] then
    nodes[path] = { 0, 0, 0, 0, 0, 0, 0, 0, today, month_of_day(today), 0, 0, 0, 0 }
  end
end
