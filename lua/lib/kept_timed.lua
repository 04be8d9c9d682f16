-- kept_timed: the account's timed caps without the one of a kind and model; shadows are none of them. Reads kind, model,
-- is_shadow_cap.
-- Sets kept_items, found_timed (the one that was left out, or nil).
--- @include lib/keys
--- @include lib/timed
--- @include lib/load
local kept_items, found_timed = {}, nil
for _, each in ipairs(timed and timed[PATH] or {}) do
  if each[T_KIND] == kind and each[T_MODEL] == model and not is_shadow_cap then
    found_timed = each
  else
    kept_items[#kept_items + 1] = each
  end
end
