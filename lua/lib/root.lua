-- root: the packed record of a root (39 bytes): layout version, generation, sequence and the housekeeping of its stores.
--- @include lib/struct
local ROOT_FORMAT = '<Bc8i5i6i6Bi6i6'
local LAYOUT, ROOT_BYTES = 1, 39
-- Positions in an unpacked root record. NEXT_EXPIRY_MS is a lower bound of the open holds' expiries (0: no hold);
-- ROTATION: bit 0 the current operation store, bit 1 set once there is a previous one;
-- CURRENT_LAST_MS, PREVIOUS_LAST_MS: the latest expiry of any hold whose record was written to that store.
local ROOT_GENERATION, SEQUENCE = 2, 3
local NEXT_EXPIRY_MS, ROTATED_MS, ROTATION = 4, 5, 6
local CURRENT_LAST_MS, PREVIOUS_LAST_MS = 7, 8
-- Stores rotate after a day; for a while afterwards a repetition may still lie in the previous one.
local ROTATE_MS, RECENT_MS = 86400000, 900000
