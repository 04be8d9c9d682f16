-- without_limit: the account's own packed limits without the one that has the identity of a packed one. Reads given (the packed one).
-- Sets given_kind, given_what, given_limit, given_period_ms, given_burst, given_since, given_last_ms, given_used (all 0),
-- given_at,  given_operation, given_model; kept_limits, their number kept_count, found_limit (the one that was left out,
-- packed, or nil), default_limits (the defaults that follow the own ones) and found_default (the one of the identity, or nil).
--- @include lib/keys
--- @include lib/limit
--- @include lib/load
--- @include lib/queue
local given_kind, given_what, given_limit, given_period_ms, given_since, given_last_ms, given_used, given_at = struct.unpack(LIMIT_FORMAT, given)
local given_burst, given_operation, given_model = given_limit, '', ''
if given_kind == SLIDING then
  given_at = given_at + 7
end
if given_what >= HAS_BURST then
  given_burst, given_at = struct.unpack('<i7', given, given_at)
end
if given_what % HAS_BURST >= HAS_SCOPE then
  given_operation, given_model = struct.unpack('<Bc0Bc0', given, given_at)
end
local kept_limits, kept_count, found_limit, default_limits, found_default = '', 0, nil, '', nil
do
  local rate_identity, identity_end, wanted
  -- First the given one, then those that are there; holds that were just freed have given their places back.
  local present = limited and limited[PATH] or limits and limits[PATH] or ''
  local own_bytes, texts = own_limit_bytes and own_limit_bytes[PATH] or #present, { given, present }
  for turn = 1, 2 do
    local items, at = texts[turn], 1
    while at <= #items do
      --- @inline lib/limit_identity
      local packed = string.sub(items, at, identity_end - 1)
      if turn == 1 then
        wanted = rate_identity
      elseif at > own_bytes then
        default_limits = default_limits .. packed
        found_default = rate_identity == wanted and packed or found_default
      elseif rate_identity == wanted then
        found_limit = packed
      else
        kept_limits, kept_count = kept_limits .. packed, kept_count + 1
      end
      at = identity_end
    end
  end
end
