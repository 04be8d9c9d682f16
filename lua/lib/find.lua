-- find: looks for the operation's record. The previous store is looked into only when a repetition can lie there:
-- when the caller says so (deep: a hold that must exist, or an id that the user chose) or shortly after a rotation.
-- The current store comes first: a hold that ended there may still stand as open in the previous one.
-- Reads deep. Sets record (false: none).
--- @include lib/keys
--- @include lib/root
--- @include lib/load
--- @include lib/queue
-- A hold that this script has just freed is still open in the store.
local record = freed and freed.heads[FIELD]
if root and not record then
  record = redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_0 or STORE_1, FIELD)
  if not record and root[ROTATION] >= 2 and (deep or now_ms - root[ROTATED_MS] < RECENT_MS) then
    record = redis.call('HGET', root[ROTATION] % 2 == 0 and STORE_1 or STORE_0, FIELD)
  end
end
