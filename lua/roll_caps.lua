#!lua
--[[ roll_caps: brings timed caps to the present period where only the client can compute it, for scripts know no zones.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       of the hold whose memberships count too, '' none
         5 periods     '' asks; else packed, per item: length and text of the level's path, kind (+ 64: of a shadow), length and text
                       of the model, start and end of the present period
  Reply  {code, now_ms, then per item that is due: path, kind, zone, model}; what is still due afterwards
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER; ROLL_NEEDED is what brings clients here, CANCELLED is never answered
  Rule   taken only when start <= now < end; cut so that it does not begin before the last period ended, or - when the
         clock was set back - does not end after that one began.
  Entry  PERIOD, with the items that were taken   Cost O(levels x caps)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/ledger
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
if code ~= OK and code ~= ROLL_NEEDED then
  return { code, now_ms }
end
--- @include lib/queue
--- @include lib/expire
local deep, own_depth = true, 0
for i = 1, #levels do
  own_depth = levels[i] == PATH and i or own_depth
end
--- @include lib/find
--- @include lib/found_hold
local periods, at, taken = ARGV[5], 1, ''
--- @inline lib/calendar
while timed and at <= #periods do
  local path, kind, model, start, stop, next_at = struct.unpack('<I2c0BBc0i6i6', periods, at)
  for _, item in ipairs(timed[path] or {}) do
    -- A cap and its shadow may lie in different zones.
    if item[T_KIND] == kind % 64 and (item[T_ACTION] == SHADOW) == (kind >= 64) and item[T_MODEL] == model and start <= now_ms and now_ms < stop
      and (now_ms < item[T_START] or now_ms >= item[T_END]) then
      if now_ms >= item[T_END] and start < item[T_END] then
        start = item[T_END]
      elseif now_ms < item[T_START] and stop > item[T_START] then
        stop = item[T_START]
      end
      item[T_OTHERS] = item[T_OTHERS] or {}
      item[T_SPENT] = shift_counter(item[T_START], item[T_SPENT], item[T_OTHERS], start, stop)
      item[T_START], item[T_END] = start, stop
      -- Its thresholds, which stand behind a cap, begin with it.
      if item[T_ACTION] < THRESHOLD then
        taken = taken .. struct.pack('<I2c0BBc0i6i6', #path, path, kind, #model, model, start, stop)
      end
    end
  end
  at = next_at
end
if taken ~= '' then
  -- In the name of the lowest level that exists: the entry must not open the account.
  local lowest, members = nil, ''
  dirty = {}
  for i = 1, #levels do
    if nodes[levels[i]] then
      dirty[#dirty + 1] = levels[i]
      if i <= own_depth then
        lowest = levels[i]
      else
        members = members .. '+' .. levels[i]
      end
    end
  end
  local account = string.match(ACCOUNT, '^[^/+]*') .. (lowest ~= '' and '/' .. lowest or '') .. members
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, PERIOD, GENERATION, root[SEQUENCE], now_ms, 0, nodes[lowest][BALANCE],
    #account, account, 0, '') .. taken
end
--- @include lib/apply
local reply = { OK, now_ms }
for i = 1, #levels do
  for _, item in ipairs(timed and timed[levels[i]] or {}) do
    if item[T_ACTION] < THRESHOLD and (now_ms < item[T_START] or now_ms >= item[T_END]) then
      reply[#reply + 1] = levels[i]
      reply[#reply + 1] = item[T_KIND] + (item[T_ACTION] == SHADOW and 64 or 0)
      reply[#reply + 1] = item[T_ZONE]
      reply[#reply + 1] = item[T_MODEL]
    end
  end
end
return reply
