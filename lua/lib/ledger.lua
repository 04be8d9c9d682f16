-- ledger: the kinds of entries and their packed form; entries are queued here and written by lib/apply, first of all writes.
--- @include lib/struct
--- @include lib/keys
--- @include lib/state

local GRANT, HOLD, SETTLE, RELEASE, EXPIRE, CAP_SET, CAP_REMOVE = 1, 2, 3, 4, 5, 6, 7
local ENTRY_LAYOUT = 1

local entries = {}

-- Queues one entry: what happened on which account, the amount in units, the payer's balance after it, the id it
-- belongs to (hold id or op id) and a detail whose form depends on the kind (lua/README.md, "Ledger entries").
local function queue_entry(kind, path, reference, amount, balance_after, detail)
  root[SEQUENCE] = root[SEQUENCE] + 1
  entries[#entries + 1] = struct.pack('<BBc8i7i6i7i7I2c0I2c0I2c0',
    ENTRY_LAYOUT, kind, GENERATION, root[SEQUENCE], now_ms, amount, balance_after,
    #ROOT_NAME, ROOT_NAME, #path, path, #reference, reference) .. detail
end
