-- holds: the packed record of a hold, and what opening and ending one does to the counters.
--- @include lib/struct
--- @include lib/state
--- @include lib/records

local MAX_OPEN_HOLDS = 10000

-- Second byte of a hold's record: admitted against caps; strict (caps bind at settle); ended by deduct_credits;
-- which refused; the actual cost differs from the charge and follows it.
local IS_ADMITTED, IS_STRICT, BY_DEDUCT, WAS_REFUSED, HAS_ASKED = 1, 2, 4, 8, 16

local index_adds, index_drops = {}, {}  -- score, member, ...; members: for the index of expiries

-- Every hold record starts alike: state, flags, amount, expiry, and the balance and held total right after admission
-- (what a repeated reserve is answered with). Then, by state:
--   open      floor, length and text of what the client packed (type, model, mode), notes
--   settled   charged, balance after, [asked], length and text of the transaction id, notes
--   released  when refused: code, asked, balance, notes
local function hold_head(state, hold)
  return struct.pack('<BBi7i6i7i7', state, hold.flags, hold.amount, hold.expires_ms, hold.balance, hold.held)
end

local function unpack_hold(record)
  local state, flags, amount, expires_ms, balance, held, at = struct.unpack('<BBi7i6i7i7', record)
  return { state = state, flags = flags, amount = amount, expires_ms = expires_ms, balance = balance, held = held,
    admitted = flags % 2 == 1 and amount or 0, at = at }
end

local function has_flag(flags, flag)
  return flags % (2 * flag) >= flag
end

-- The account path in a record's field: 'h<id>' or 'h<id>/<path>'.
local function path_of_field(field)
  local at = string.find(field, '/', 1, true)
  return at and string.sub(field, at + 1) or ''
end

-- Adds a hold to the totals (sign 1) or takes it out (sign -1): held at the payer, admitted and the number of open
-- holds at every level.
local function move_hold(path, levels, amount, admitted, sign)
  local payer = touch_node(path)
  payer[HELD] = payer[HELD] + sign * amount
  for i = 1, #levels do
    local node = touch_node(levels[i])
    node[ADMITTED] = node[ADMITTED] + sign * admitted
    node[OPEN_HOLDS] = node[OPEN_HOLDS] + sign
  end
end
