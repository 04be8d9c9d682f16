#!lua
--[[ set_defaults: writes the defaults of the namespace - caps and limits of plans and levels - on one shard.
  KEYS   1 config   hash     <namespace>:{<shard>}:config
         2 ledger   stream   <namespace>:{<shard>}:ledger
  ARGV   1 generation  8 raw bytes
         2 expected    version that must stand here; '' any older one
         3 version     of these
         4 text        the definitions as they were given (JSON), for people and the ledger
         5 count       of fields; then per field:
         +1 name, +2 value: 'd', what there is ('' none, 1 defaults, 2 also of plans); 'd<level>' or 'd<level>:<plan>', what
         holds there: number of cap items (B), cap items (lib/cap), limits (lib/limit); or '', nothing
  Reply  {code, version, text}; what stands now
  Codes  INVALID_ARGUMENT (another version than the expected one) NAMESPACE_UNKNOWN NEEDS_RESTORE
  Rule   an older version never takes the place of a newer one; sent again it is answered alike. Fields of plans that are not
         among these go. The mark of a full backlog (lib/backlog) stays in front of 'd'.
  Entry  DEFAULTS_SET, of no root, the amount being the version   Cost O(fields)
]]
--- @include lib/codes
--- @include lib/struct
--- @include lib/backlog

local CONFIG, LEDGER = KEYS[1], KEYS[2]
local DEFAULTS_SET = 19

local config = redis.call('HMGET', CONFIG, 'generation', 'defaults_version', 'defaults', 'd')
local generation, present, text = config[1], tonumber(config[2] or '0'), config[3] or ''
local version = tonumber(ARGV[3])
if not generation then
  return { NAMESPACE_UNKNOWN, 0, '' }
elseif generation ~= ARGV[1] then
  return { NEEDS_RESTORE, 0, '' }
elseif present == version and text == ARGV[4] then
  return { OK, present, text }
elseif ARGV[2] ~= '' and present ~= tonumber(ARGV[2]) then
  return { INVALID_ARGUMENT, present, text }
elseif present >= version then
  return { OK, present, text }
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local mark = string.byte(config[4] or '') == FULL_BYTE and FULL_MARK or ''
local wanted, fields, gone = {}, { 'defaults_version', ARGV[3], 'defaults', ARGV[4] }, {}
for at = 6, 5 + 2 * tonumber(ARGV[5]), 2 do
  wanted[ARGV[at]] = true
  fields[#fields + 1], fields[#fields + 2] = ARGV[at], ARGV[at] == 'd' and mark .. ARGV[at + 1] or ARGV[at + 1]
end
for _, name in ipairs(redis.call('HKEYS', CONFIG)) do
  if string.find(name, '^d%d:') and not wanted[name] then
    gone[#gone + 1] = name
  end
end
redis.call('XADD', LEDGER, '*', 'e', struct.pack('<BBc4i5i6i7i7I2I2', 1, DEFAULTS_SET, generation, 0, now_ms, version, 0, 0, 0) .. ARGV[4])
-- The version comes last: stopped before it, sending again does the whole once more.
if #gone > 0 then
  redis.call('HDEL', CONFIG, unpack(gone))
end
redis.call('HSET', CONFIG, unpack(fields))
return { OK, version, ARGV[4] }
