-- queue: what a script leaves for lib/apply to write. The usual script has one entry and one record; what freeing
-- expired holds adds is kept apart, so that the usual case builds no tables.
--- @include lib/keys
-- What entries call the operation: the record's field without the path, which the account tells.
local reference = PATH == '' and FIELD or string.sub(FIELD or '', 1, -2 - #PATH)
local entry = nil                                 -- the packed ledger entry of the operation
local record_head, record_tail = nil, nil         -- its record; with a tail the transaction id is put between
local record_expires_ms = 0                       -- the expiry of the open hold it describes, 0: none
local index_expires_ms = nil                      -- the operation's hold goes into the expiry index
local index_drop = false                          -- the operation's hold leaves it
local balance_change = 0                          -- what is granted less what is charged
local dirty = nil                                 -- the levels, once something is to be written of the operation
local extra_field, extra_value = nil, nil         -- a further field of the state hash
local limited = nil                               -- path -> packed limits to write (lib/rates, lib/correct_rates)
local also = nil                                  -- further records: list of field, record, entry, expiry for the index
local crossed = nil                               -- lib/spend: thresholds that the charge reaches
local shadowed = nil                              -- lib/gate: path, kind ... of shadows that would have refused, and the amount
local shadow_fields = nil                         -- fields w<path> to write, and their values
local freed = nil                                 -- lib/expire: entries, records and index members of freed holds
