-- ledger: the packed form of an entry; entries are packed where something happens and written by lib/apply.
--- @include lib/struct
-- Entry layout, kind, first half of the generation, sequence, time, amount, balance after, then account and reference
-- (the record's field without the path) with their lengths; the detail follows.
local ENTRY_FORMAT = '<BBc4i5i6i7i7I2c0I2c0'
local ENTRY_LAYOUT = 1
local GRANT, HOLD, SETTLE, RELEASE, EXPIRE, CAP_SET, CAP_REMOVE, OPENED = 1, 2, 3, 4, 5, 6, 7, 8
local CHARGE, EXTEND, CANCEL, PERIOD = 9, 10, 11, 12
local PAYER_SET, LIMIT_SET, LIMIT_REMOVE, PLAN_SET = 15, 16, 17, 18
