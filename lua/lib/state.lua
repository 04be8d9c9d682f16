-- state: reads a root and the nodes a script needs, once each; keeps what was changed for lib/apply to write.
--- @include lib/keys
--- @include lib/codes
--- @include lib/clock
--- @include lib/node
--- @include lib/root
--- @include lib/calendar

local now_ms = read_clock_ms()
local today = math.floor(now_ms / DAY_MS)

local root = nil        -- unpacked root record
local nodes = {}        -- path -> unpacked node, rolled to the present; absent: no such node
local caps = {}         -- path -> packed caps, absent: none
local root_dirty = false -- the root record changed although no entry was queued
local opening_balance = 0 -- the sum of the balances as they were read
local dirty = {}        -- paths of the nodes to write, in order of first change
local is_dirty = {}

-- The paths that count for an account, from the root down: '' , 'search', 'search/alice'.
local function levels_of(path)
  local levels = { '' }
  if path ~= '' then
    local at = string.find(path, '/', 1, true)
    while at do
      levels[#levels + 1] = string.sub(path, 1, at - 1)
      at = string.find(path, '/', at + 1, true)
    end
    levels[#levels + 1] = path
  end
  return levels
end

local function keep_node(path, node, cap_items)
  if node then
    node = unpack_node(node)
    roll_node(node, today)
    nodes[path] = node
    opening_balance = opening_balance + node[BALANCE]
  end
  if cap_items then
    caps[path] = cap_items
  end
end

-- Why a root may not be used: the namespace is unknown, another one (a wiped or restored server), or not ready.
local function refuse_generation()
  local config = redis.call('HMGET', CONFIG, 'generation', 'state')
  if not config[1] then
    return NAMESPACE_UNKNOWN
  end
  if config[1] ~= GENERATION or config[2] ~= 'ready' then
    return NEEDS_RESTORE
  end
  return OK
end

-- Reads the root record and the nodes of these levels in one call. Answers OK or why nothing may be decided here.
-- A root that does not exist is OK only when the namespace does: a wiped server never looks like an empty account.
local function load_account(levels)
  local values
  if #levels == 1 then
    values = redis.call('HMGET', STATE, 'r', 'n', 'c')
  else
    local fields = { 'r' }
    for i = 1, #levels do
      fields[2 * i] = 'n' .. levels[i]
      fields[2 * i + 1] = 'c' .. levels[i]
    end
    values = redis.call('HMGET', STATE, unpack(fields))
  end
  if not values[1] then
    return refuse_generation()
  end
  if string.byte(values[1]) > LAYOUT then
    return SCHEMA_NEWER
  end
  root = unpack_root(values[1])
  if root[ROOT_GENERATION] ~= GENERATION then
    return refuse_generation() == NAMESPACE_UNKNOWN and NAMESPACE_UNKNOWN or NEEDS_RESTORE
  end
  for i = 1, #levels do
    keep_node(levels[i], values[2 * i], values[2 * i + 1])
  end
  return OK
end

-- Reads the nodes of these levels that are not read yet (the accounts of expired holds elsewhere on the root).
local function load_more(levels)
  for i = 1, #levels do
    if not nodes[levels[i]] then
      local values = redis.call('HMGET', STATE, 'n' .. levels[i], 'c' .. levels[i])
      keep_node(levels[i], values[1], values[2])
    end
  end
end

-- The node of a path for changing: created empty when there is none, and marked for writing.
local function touch_node(path)
  local node = nodes[path]
  if not node then
    node = { 0, 0, 0, 0, 0, 0, 0, 0, today, month_of_day(today), 0, 0, 0 }
    nodes[path] = node
  end
  if not is_dirty[path] then
    is_dirty[path] = true
    dirty[#dirty + 1] = path
  end
  return node
end
