-- caps: spend limits per calendar period. Packed items of 9 bytes: kind, action, limit. Here is the whole of this kind
-- of limit: its check (caps_room, note_refusing) and its commit (note_breached).
--- @include lib/struct
--- @include lib/numbers
--- @include lib/node
--- @include lib/state

local CAP_BYTES, MAX_CAPS = 9, 32
-- Kinds are the position of the counter they look at, so a cap needs no counter of its own.
local DAILY, MONTHLY = SPENT_DAY, SPENT_MONTH
local DENY, WARN, NOTIFY = 0, 1, 2
-- Flags of a note: this cap refuses the amount; this charge is the one that crossed it; a deny cap passed by a hold
-- that was admitted before.
local NOTE_REFUSED, NOTE_FIRST, NOTE_OVER = 1, 2, 4

-- What a reply says of a cap: level, kind, action, flags, limit, spent, admitted (25 bytes).
local function cap_note(level, kind, action, flags, limit, node)
  return struct.pack('<BBBBi7i7i7', level, kind, action, flags, limit, node[kind], node[ADMITTED])
end

-- How much more the deny caps of these levels allow to be admitted; MAX_UNITS when there is none, never below 0.
local function caps_room(levels)
  local room = MAX_UNITS
  for i = 1, #levels do
    local items, node = caps[levels[i]], nodes[levels[i]]
    for at = 1, items and #items or 0, CAP_BYTES do
      local kind, action, limit = struct.unpack('<BBi7', items, at)
      if action == DENY then
        local left = limit - node[kind] - node[ADMITTED]
        if left < room then
          room = left
        end
      end
    end
  end
  return room > 0 and room or 0
end

-- Notes of every deny cap whose room is below what is needed.
local function note_refusing(levels, need)
  local notes = ''
  for i = 1, #levels do
    local items, node = caps[levels[i]], nodes[levels[i]]
    for at = 1, items and #items or 0, CAP_BYTES do
      local kind, action, limit = struct.unpack('<BBi7', items, at)
      if action == DENY and limit - node[kind] - node[ADMITTED] < need then
        notes = notes .. cap_note(i, kind, action, NOTE_REFUSED, limit, node)
      end
    end
  end
  return notes
end

-- Notes of every cap that committed spend lies above after a charge of this amount (the nodes hold the new spend).
local function note_breached(levels, charged)
  local notes = ''
  for i = 1, #levels do
    local items, node = caps[levels[i]], nodes[levels[i]]
    for at = 1, items and #items or 0, CAP_BYTES do
      local kind, action, limit = struct.unpack('<BBi7', items, at)
      if node[kind] > limit and charged > 0 then
        local flags = (node[kind] - charged <= limit and NOTE_FIRST or 0) + (action == DENY and NOTE_OVER or 0)
        notes = notes .. cap_note(i, kind, action, flags, limit, node)
      end
    end
  end
  return notes
end

-- Packed caps without the one of a kind.
local function without_cap(items, kind)
  for at = 1, #items, CAP_BYTES do
    if string.byte(items, at) == kind then
      return string.sub(items, 1, at - 1) .. string.sub(items, at + CAP_BYTES)
    end
  end
  return items
end
