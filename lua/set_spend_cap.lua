#!lua
--[[ set_spend_cap: registers a cap of an account, replacing the one of the same period and model; the spend stays.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 kind        daily, monthly, total: position of the node's counter; hourly, weekly, yearly (lib/timed); balance: not a
                       cap, the limit is the low balance that is told
         6 action      0 deny, 1 warn, 2 notify; 16 a shadow, beside the cap of the kind; of a balance 128
         7 limit       units, >= 0
         8 scope       packed: length and text of zone ('' UTC) and of model ('' all), then start and end of the present
                       period in that zone and in UTC, as far as the client knows them; 0 where not; then thresholds,
                       a byte of 1 to 100 percent each, growing
  Reply  {code, now_ms, repetition}
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
         TOO_MANY_CAPS
  Rule   daily, monthly and total in UTC for all models look at counters that every account has; all others count from
         their registration. Another zone applies from the end of the present period on.
  Entry  CAP_SET, the amount being the limit   Opens the account when there is none.   Cost O(levels + caps); of one
         model O(open holds of the root)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/cap
--- @include lib/timed
local kind, action, limit, deep = tonumber(ARGV[5]), tonumber(ARGV[6]), read_units(ARGV[7], 0), false
local zone, model, start, stop, utc_start, utc_stop, percents_at = struct.unpack('<Bc0Bc0i6i6i6i6', ARGV[8])
--- @include lib/load
local has_percents, is_shadow_cap = percents_at <= #ARGV[8], action == SHADOW
local is_balance = kind == BALANCE and action == THRESHOLD and not has_percents
local is_cap = kind and kind >= DAILY and kind <= YEARLY and kind % 1 == 0 and (action == DENY or action == WARN or action == NOTIFY or is_shadow_cap)
if not limit then
  code = INVALID_AMOUNT
elseif not (is_balance or is_cap) or #ARGV[8] - percents_at >= THRESHOLDS_MAX
  or (is_balance and (kind > TOTAL or zone ~= '' or model ~= ''))
  or (has_percents and is_shadow_cap) then
  code = INVALID_ARGUMENT
else
  local last = 0
  for at = percents_at, #ARGV[8] do
    local percent = string.byte(ARGV[8], at)
    if percent <= last or percent > 100 then
      code = INVALID_ARGUMENT
    end
    last = percent
  end
end
if code ~= OK then
  return { code, now_ms, FRESH }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
if not record then
  --- @include lib/opening
  --- @include lib/without_cap
  --- @include lib/kept_timed
  if model ~= '' and kept_caps ~= present_caps then
    kept_caps, kept_count = present_caps, kept_count + 1
  end
  local is_simple = kind <= TOTAL and zone == '' and model == '' and not found_timed
  local has_marker = string.byte(kept_caps) == MARKER
  if not is_balance and kept_count + kept_timed_count >= CAPS_MAX then
    return { TOO_MANY_CAPS, now_ms, FRESH }
  end
  local item, thresholds = struct.pack(CAP_FORMAT, kind, action, limit), {}
  for at = percents_at, #ARGV[8] do
    -- ceil(limit x percent / 100) - 1, exact: the product could leave the exact range.
    local percent, part = string.byte(ARGV[8], at), limit % 100
    local rest = part * percent + 99
    thresholds[#thresholds + 1], thresholds[#thresholds + 2] = THRESHOLD + percent,
      (limit - part) / 100 * percent + (rest - rest % 100) / 100 - 1
  end
  if is_simple then
    for each = 1, #thresholds, 2 do
      item = item .. struct.pack(CAP_FORMAT, kind, thresholds[each], thresholds[each + 1])
    end
    kept_caps = kept_caps .. item
  else
    local begun_ms, spent = now_ms, 0
    if kind <= TOTAL and kept_caps ~= present_caps then
      -- A simple cap that gets a zone: it goes on from the node's counter, and the zone counts from the next period on.
      start, stop, begun_ms, spent = utc_start, utc_stop, utc_start, nodes[PATH][kind]
    elseif kind == TOTAL then
      start, stop = 0, FOREVER_MS
    end
    if not found_timed and not (start <= now_ms and now_ms < stop) then
      return { ROLL_NEEDED, now_ms, FRESH }
    end
    local added = found_timed or { kind, action, limit, spent, 0, start, stop, begun_ms, zone, model }
    added[T_ACTION], added[T_LIMIT], added[T_ZONE] = action, limit, zone
    if not found_timed and model ~= '' then
      --- @include lib/count_model
      added[T_HELD] = held_of_model
    end
    kept_items[#kept_items + 1] = added
    -- A threshold is an item that counts like its cap, from what that has counted.
    for each = 1, #thresholds, 2 do
      local threshold, others = { unpack(added, 1, T_MODEL) }, added[T_OTHERS]
      threshold[T_ACTION], threshold[T_LIMIT] = thresholds[each], thresholds[each + 1]
      threshold[T_OTHERS] = others and { unpack(others) }
      kept_items[#kept_items + 1] = threshold
    end
    timed = timed or {}
    timed[PATH] = kept_items
    if not has_marker then
      kept_caps = struct.pack(CAP_FORMAT, MARKER, MARKER, MAX_UNITS) .. kept_caps
    end
    item = struct.pack(CAP_FORMAT, kind + 128, action, limit) .. struct.pack('<i7i7i6i6i6Bc0Bc0', added[T_SPENT],
      added[T_HELD], added[T_START], added[T_END], added[T_SINCE], #zone, zone, #model, model)
    for each = 1, #thresholds, 2 do
      item = item .. struct.pack('<Bi7', thresholds[each], thresholds[each + 1])
    end
  end
  if is_shadow_cap then
    --- @include lib/without_shadow
  end
  extra_field, extra_value = 'c' .. PATH, kept_caps
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, CAP_SET, GENERATION, root[SEQUENCE], now_ms, limit,
    nodes[PATH][BALANCE], #ACCOUNT, ACCOUNT, #reference, reference) .. item
  record_head = struct.pack('<B', DONE)
  dirty = levels
end
--- @include lib/apply
return { record and string.byte(record) == TOMBSTONE and CANCELLED or OK, now_ms, record and REPEATED or FRESH }
