#!lua flags=allow-oom
--[[ sweep: frees expired holds of a root that nobody touches.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
  Reply  {code, now_ms, freed, more}; more 1 when holds are due that this call had no room for
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER; not ROLL_NEEDED, for what is freed belongs to no period
  Entry  EXPIRE for each hold, at most 100   Cost O(freed x log holds). Runs when memory is full.
]]
--- @include lib/codes
--- @include lib/root
--- @include lib/load
if code ~= OK and code ~= ROLL_NEEDED then
  return { code, now_ms, 0, 0 }
end
--- @include lib/expire
--- @include lib/apply
return { OK, now_ms, freed and #freed.entries or 0, root and root[NEXT_EXPIRY_MS] ~= 0 and root[NEXT_EXPIRY_MS] <= now_ms and 1 or 0 }
