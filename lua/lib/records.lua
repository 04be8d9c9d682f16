-- records: one record per operation id - holds, open and ended, and everything else that must happen once.
-- They live in two stores per root that rotate every 24 hours, so a record is kept for 24 to 48 hours.
--- @include lib/keys
--- @include lib/root
--- @include lib/state

local ROTATE_MS, RECENT_MS = 86400000, 900000

-- First byte of a record.
local OPEN, SETTLED, RELEASED, EXPIRED, DONE = 1, 2, 3, 4, 5
-- What the reply says of a repetition: none, the same request, the same id with other parameters.
local FRESH, REPEATED, REUSED = 0, 1, 2

local record_fields, record_heads, record_tails = {}, {}, {}  -- queued for the current store
local queued_heads = {}                                       -- field -> head, for reading what is queued
local latest_expiry_ms = 0                                    -- of the holds among them

local function current_store()
  return OPS[root[ROTATION] % 2]
end

local function previous_store()
  return OPS[1 - root[ROTATION] % 2]
end

-- Finds a record. The previous store is looked into only when a repetition can lie there: when the caller says so
-- (deep: a hold that must exist, or an id that the user chose) or shortly after a rotation. The current store comes
-- first: a hold that ended there may still stand as open in the previous one.
local function find_record(field, deep)
  -- A hold that this script has just freed is still open in the store.
  if queued_heads[field] then
    return queued_heads[field]
  end
  local record = redis.call('HGET', current_store(), field)
  if not record and root[ROTATION] >= 2 and (deep or now_ms - root[ROTATED_MS] < RECENT_MS) then
    record = redis.call('HGET', previous_store(), field)
  end
  return record
end

-- Queues a record for the current store. With a tail the transaction's id, known only once the ledger is written, is
-- put between head and tail. expires_ms is the expiry of the open hold it describes (0: none).
local function keep_record(field, head, tail, expires_ms)
  local at = #record_fields + 1
  record_fields[at] = field
  record_heads[at] = head
  queued_heads[field] = head
  record_tails[at] = tail or false
  if expires_ms > latest_expiry_ms then
    latest_expiry_ms = expires_ms
  end
end

-- Whether the stores are due for rotation: a day has passed (or the clock stepped far back) and no open hold's
-- record can lie in the previous store, which a rotation drops.
local function rotation_due()
  local age_ms = now_ms - root[ROTATED_MS]
  return (age_ms >= ROTATE_MS or age_ms <= -ROTATE_MS)
    and root[PREVIOUS_LAST_MS] <= now_ms
    and (root[NEXT_EXPIRY_MS] == 0 or root[NEXT_EXPIRY_MS] > now_ms)
end

-- Turns the root record to a new, empty current store. Answers the key that must be dropped before it is used.
local function rotate_root()
  local dropped = previous_store()
  root[ROTATION] = 3 - root[ROTATION] % 2
  root[ROTATED_MS] = now_ms
  root[PREVIOUS_LAST_MS] = root[CURRENT_LAST_MS]
  root[CURRENT_LAST_MS] = 0
  return dropped
end
