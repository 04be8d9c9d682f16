-- without_cap: the account's packed caps without the one of a kind and its thresholds, or without its shadow. Reads kind,
-- is_shadow_cap.
-- Sets present_caps (with it; the account's own ones alone), kept_caps and kept_count (the marker and thresholds not counted).
--- @include lib/keys
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
local present_caps, kept_count = own_caps and own_caps[PATH] or caps[PATH] or '', 0
local kept_caps = present_caps
for at = #kept_caps - CAP_BYTES + 1, 1, -CAP_BYTES do
  if string.byte(kept_caps, at) == kind and (string.byte(kept_caps, at + 1) == SHADOW) == is_shadow_cap then
    kept_caps = string.sub(kept_caps, 1, at - 1) .. string.sub(kept_caps, at + CAP_BYTES)
  elseif string.byte(kept_caps, at) ~= MARKER and string.byte(kept_caps, at + 1) < THRESHOLD then
    kept_count = kept_count + 1
  end
end
