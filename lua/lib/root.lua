-- root: the packed record of a root (41 bytes): layout version, generation, sequence and the housekeeping of its stores.
--- @include lib/struct

local LAYOUT = 1
-- Positions in an unpacked root record. NEXT_EXPIRY_MS is a lower bound of the open holds' expiries (0: no hold);
-- ROTATION: bit 0 the current operation store, bit 1 set once there is a previous one;
-- CURRENT_LAST_MS, PREVIOUS_LAST_MS: the latest expiry of any hold whose record was written to that store.
local ROOT_LAYOUT, ROOT_GENERATION, SEQUENCE = 1, 2, 3
local NEXT_EXPIRY_MS, ROTATED_MS, ROTATION = 4, 5, 6
local CURRENT_LAST_MS, PREVIOUS_LAST_MS = 7, 8

local function unpack_root(data)
  return { struct.unpack('<Bc8i7i6i6Bi6i6', data) }
end

local function pack_root(r)
  return struct.pack('<Bc8i7i6i6Bi6i6', r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])
end

local function new_root(now_ms)
  return { LAYOUT, GENERATION, 0, 0, now_ms, 0, 0, 0 }
end
