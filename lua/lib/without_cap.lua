-- without_cap: the account's packed caps without the one of a kind. Reads kind. Sets kept_caps.
--- @include lib/keys
--- @include lib/cap
--- @include lib/load
local kept_caps = caps[PATH] or ''
for at = 1, #kept_caps, CAP_BYTES do
  if string.byte(kept_caps, at) == kind then
    kept_caps = string.sub(kept_caps, 1, at - 1) .. string.sub(kept_caps, at + CAP_BYTES)
    break
  end
end
