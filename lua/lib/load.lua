-- load: reads the clock, in one call the root record with the nodes, caps and limits of every level of the account, and the
-- defaults of the namespace that hold for it.
-- Sets now_ms, today, levels, root, nodes, caps, limits, code, backlog_full. A root that does not exist (root = nil) has the
-- code OK only when the namespace does: a wiped server never looks like an empty account, nor like one without defaults.
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/clock
--- @include lib/backlog

local today = (now_ms - now_ms % DAY_MS) / DAY_MS
local levels = { '' }      -- paths from the root down: '', 'search', 'search/alice'
local root = nil           -- unpacked root record
-- With room for the root from the start: a table that grows costs as much as a look-up in Redis' own.
local nodes = { [''] = nil } -- path -> unpacked node, rolled to the present; absent: no such node
local caps = { [''] = nil }  -- path -> packed caps; false or absent: none
local limits = nil           -- path -> packed rate and concurrency limits, where there are any (lib/limit)
local payer_level = 0         -- of who pays for the account, 1 the root; 0: it pays itself (set_payer, lib/found_hold)
-- Where defaults were added (lib/merge_defaults): path -> what is the account's own of caps, and how many bytes of limits.
local own_caps, own_limit_bytes = nil, nil
local known_defaults = ''     -- what defaults the namespace has (lib/read_defaults): that is all they cost where it has none
local backlog_full = false    -- so much waits for the drainer that nothing new is admitted (lib/mark_backlog)
-- Further paths of the root that the operation counts for, joined by '+' (lib/load_within); what entries call the account, and
-- the note that names them; whether one of them is no account.
local within, entry_account, within_note, is_stranger = '', ACCOUNT, '', false
local others = nil          -- path -> packed counters of other periods, after a step of the clock (lib/roll)
local timed = nil           -- path -> unpacked timed caps, where there are any (lib/timed)
local due_periods = false   -- a timed cap's period is over and only the client knows the present one
local used_model, own_model = '', ''  -- model of the charge and of the operation's hold; set where there are timed caps
local code = OK
local values
if PATH == '' then
  values = redis.call('HMGET', STATE, 'r', 'n', 'c', 'l')
else
  local fields, at = { 'r', 'n', 'c', 'l', nil, nil, nil, nil, nil, nil }, string.find(PATH, '/', 1, true)
  while at do
    levels[#levels + 1] = string.sub(PATH, 1, at - 1)
    at = string.find(PATH, '/', at + 1, true)
  end
  levels[#levels + 1] = PATH
  for i = 2, #levels do
    fields[3 * i - 1] = 'n' .. levels[i]
    fields[3 * i] = 'c' .. levels[i]
    fields[3 * i + 1] = 'l' .. levels[i]
  end
  fields[3 * #levels + 2] = 'p' .. PATH
  nodes, caps = { [''] = nil, [levels[2]] = nil, [PATH] = nil }, { [''] = nil, [levels[2]] = nil, [PATH] = nil }
  values = redis.call('HMGET', STATE, unpack(fields, 1, 3 * #levels + 2))
end
if values[1] and #values[1] ~= ROOT_BYTES and string.byte(values[1]) > LAYOUT then
  code = SCHEMA_NEWER
else
  root = values[1] and { struct.unpack(ROOT_FORMAT, values[1]) }
  if root and root[1] > LAYOUT then
    code, root = SCHEMA_NEWER, nil
  elseif not root or root[ROOT_GENERATION] ~= GENERATION then
    -- The config tells whether the namespace is gone, lives another life, or is not ready.
    local config = redis.call('HMGET', CONFIG, 'generation', 'state')
    if not config[1] then
      code = NAMESPACE_UNKNOWN
    elseif root or config[1] ~= GENERATION or config[2] ~= 'ready' then
      code = NEEDS_RESTORE
    end
    root = nil
  else
    local defaults
    known_defaults = redis.call('HGET', CONFIG, 'd')
    if known_defaults ~= '' then
      if known_defaults and string.byte(known_defaults) == FULL_BYTE then
        backlog_full, known_defaults = true, string.sub(known_defaults, 2)
      end
      if known_defaults ~= '' then
        local first_level = 1
        --- @inline lib/read_defaults
      end
    end
    for i = 1, #levels do
      local level, level_node, level_caps, level_limits = levels[i], values[3 * i - 1], values[3 * i], values[3 * i + 1]
      local level_defaults = defaults and defaults[i]
      --- @inline lib/load_level
    end
    local kept = PATH ~= '' and values[3 * #levels + 2]
    payer_level = kept and kept ~= '' and string.byte(kept) or 0
    local plus = string.find(ACCOUNT, '+', 1, true)
    if plus then
      within = string.sub(ACCOUNT, plus + 1)
      --- @inline lib/load_within
    end
    if due_periods and code == OK then
      code = ROLL_NEEDED
    end
  end
end
