-- expire: frees holds past their expiry, lazily, by any script on the root; at most EXPIRE_MAX a call.
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/state
--- @include lib/ledger
--- @include lib/records
--- @include lib/holds

local EXPIRE_MAX = 100

local function expire_hold(field)
  local record = find_record(field, true)
  -- An index entry without an open record is only dropped: the totals are what the ledger says.
  if record and string.byte(record) == OPEN then
    local path = path_of_field(field)
    local levels = levels_of(path)
    load_more(levels)
    local hold = unpack_hold(record)
    move_hold(path, levels, hold.amount, hold.admitted, -1)
    queue_entry(EXPIRE, path, field, hold.amount, nodes[path][BALANCE], '')
    keep_record(field, hold_head(EXPIRED, hold), nil, 0)
  end
  index_drops[#index_drops + 1] = field
end

-- The usual case is one comparison: NEXT_EXPIRY_MS is a lower bound, so nothing is due before it.
local function free_expired()
  if root[NEXT_EXPIRY_MS] == 0 or now_ms < root[NEXT_EXPIRY_MS] then
    return
  end
  local due = redis.call('ZRANGE', HOLDS, 0, EXPIRE_MAX, 'WITHSCORES')
  root[NEXT_EXPIRY_MS] = 0
  root_dirty = true
  for i = 1, #due, 2 do
    local expires_ms = tonumber(due[i + 1])
    if expires_ms > now_ms or i > 2 * EXPIRE_MAX then
      root[NEXT_EXPIRY_MS] = expires_ms
      break
    end
    expire_hold(due[i])
  end
end
