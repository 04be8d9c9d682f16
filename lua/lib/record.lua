-- record: the states and flags of operation records; their forms are in lua/README.md, "Operation records".
--- @include lib/struct
-- First byte.
local OPEN, SETTLED, RELEASED, EXPIRED, DONE = 1, 2, 3, 4, 5
-- A tombstone: the operation was resolved as never executed, so it never will be.
local TOMBSTONE = 6
-- How every hold record starts: state, flags, amount, expiry, balance and held total right after admission (29
-- bytes), and where the rest starts.
local HOLD_FORMAT, AFTER_HOLD = '<BBi7i6i7i7', 30
-- Its flags: admitted against caps; strict (caps bind at settle); ended by deduct_credits; released by a refusal; the
-- actual cost differs from the charge and follows it; a floor other than 0 follows the head.
local IS_ADMITTED, IS_STRICT, BY_DEDUCT, WAS_REFUSED, HAS_ASKED, HAS_FLOOR = 1, 2, 4, 8, 16, 128
-- In a SETTLE entry: the payer's level follows.
local HAS_PAYER = 64
-- While open or expired, the bit of WAS_REFUSED says that the hold was extended: what it was made with follows the
-- head. In a SETTLE entry it says that the model of the charge follows.
local WAS_EXTENDED, HAS_MODEL = 8, 8
local MAX_OPEN_HOLDS = 10000
-- What a reply says of a repetition: none, the same request, the same id with other parameters.
local FRESH, REPEATED, REUSED = 0, 1, 2
