-- find_also: looks in both stores for the record of a second operation of the call. Reads also_field.
-- Sets also_record (false: none).
--- @include lib/keys
--- @include lib/root
--- @include lib/load
--- @include lib/queue
local also_record = freed and freed.heads[also_field]
if root and not also_record then
  also_record = redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_0 or STORE_1, also_field)
    or (root[ROTATION] >= 2 and redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_1 or STORE_0, also_field))
end
