-- apply: the one place that writes. First the ledger entries, then the state, then records and index: a script that
-- fails half-way is not rolled back, so money never moves without its entry.
--- @include lib/keys
--- @include lib/numbers
--- @include lib/struct
--- @include lib/node
--- @include lib/root
--- @include lib/state
--- @include lib/ledger
--- @include lib/records
--- @include lib/holds

local more_fields = {}  -- field, value, ... of the state hash beside root and nodes (caps, grants)
local drop_fields = {}  -- fields of the state hash to delete

-- Stops before the first write when a total would leave the exact range, something held would be negative, or the
-- balances changed by anything else than what was granted and charged.
local function assert_sound(balance_change)
  local closing_balance = 0
  for path, node in pairs(nodes) do
    closing_balance = closing_balance + node[BALANCE]
    for at = 1, PREVIOUS_MONTH do
      local units = node[at]
      if not (units <= MAX_UNITS and units >= (at == BALANCE and -MAX_UNITS or 0)) then
        error('ducto: counter ' .. at .. ' of node "' .. path .. '" would leave its range')
      end
    end
  end
  if closing_balance - opening_balance ~= balance_change then
    error('ducto: balances do not add up')
  end
end

local function write_state()
  local fields = { 'r', pack_root(root) }
  for i = 1, #dirty do
    fields[2 * i + 1] = 'n' .. dirty[i]
    fields[2 * i + 2] = pack_node(nodes[dirty[i]])
  end
  for i = 1, #more_fields do
    fields[#fields + 1] = more_fields[i]
  end
  redis.call('HSET', STATE, unpack(fields))
  if #drop_fields > 0 then
    redis.call('HDEL', STATE, unpack(drop_fields))
  end
end

local function write_records(entry_id)
  local values, id = {}, struct.pack('<Bc0', #entry_id, entry_id)
  for i = 1, #record_fields do
    values[2 * i - 1] = record_fields[i]
    values[2 * i] = record_tails[i] and record_heads[i] .. id .. record_tails[i] or record_heads[i]
  end
  redis.call('HSET', current_store(), unpack(values))
end

-- Writes everything that was queued; balance_change is what was granted less what was charged. Answers the stream id
-- of the last entry, which names the transaction.
local function apply(balance_change)
  assert_sound(balance_change)
  local entry_id = ''
  for i = 1, #entries do
    entry_id = redis.call('XADD', LEDGER, '*', 'e', entries[i])
  end
  local dropped = rotation_due() and rotate_root()
  if latest_expiry_ms > root[CURRENT_LAST_MS] then
    root[CURRENT_LAST_MS] = latest_expiry_ms
  end
  write_state()
  if dropped then
    redis.call('UNLINK', dropped)
  end
  if #record_fields > 0 then
    write_records(entry_id)
  end
  if #index_drops > 0 then
    redis.call('ZREM', HOLDS, unpack(index_drops))
  end
  if #index_adds > 0 then
    redis.call('ZADD', HOLDS, unpack(index_adds))
  end
  return entry_id
end

-- For the ways out that decided nothing: writes only what freeing expired holds has queued.
local function apply_housekeeping()
  if root_dirty then
    apply(0)
  end
end
