-- kept_timed: the account's timed caps without the one of a kind and model and its thresholds, or without its shadow. Reads kind,
-- model, is_shadow_cap. Sets kept_items, kept_timed_count (without thresholds), found_timed (the one that was left out, or nil).
--- @include lib/keys
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
local kept_items, kept_timed_count, found_timed = {}, 0, nil
for _, each in ipairs(timed and timed[PATH] or {}) do
  if each[T_KIND] == kind and each[T_MODEL] == model and (each[T_ACTION] == SHADOW) == is_shadow_cap then
    found_timed = each[T_ACTION] < THRESHOLD and each or found_timed
  else
    kept_items[#kept_items + 1] = each
    kept_timed_count = kept_timed_count + (each[T_ACTION] < THRESHOLD and 1 or 0)
  end
end
