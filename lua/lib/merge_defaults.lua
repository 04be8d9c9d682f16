-- merge_defaults (inline): adds to an account's own caps and limits the defaults of the namespace that it does not override:
-- caps of a period that it has none of, limits of an identity that it has none of. What default limits have used lies in field
-- m<path>; those on concurrency count what the node counts.
-- Reads given_defaults (as packed in the config: number of cap items, cap items, limits), merged_path, root, nodes, timed.
-- Sets caps, limits, own_caps, own_limit_bytes.
--- @include lib/struct
--- @include lib/keys
--- @include lib/cap
--- @include lib/limit
--- @include lib/node
--- @include lib/root
--- @include lib/timed
do
  local own, at, last_kind, last_shadow, is_own = caps[merged_path] or '', 2, 0, false, false
  local merged = own
  for _ = 1, string.byte(given_defaults) do
    local kind, action = string.byte(given_defaults, at, at + 1)
    local is_shadow = action == SHADOW
    if kind ~= last_kind or is_shadow ~= last_shadow then
      last_kind, last_shadow, is_own = kind, is_shadow, false
      for each = 1, #own, CAP_BYTES do
        is_own = is_own or (string.byte(own, each) == kind and (string.byte(own, each + 1) == SHADOW) == is_shadow)
      end
      local timed_items = timed and timed[merged_path]
      for each = 1, timed_items and #timed_items or 0 do
        local item = timed_items[each]
        is_own = is_own or (item[T_KIND] == kind and item[T_MODEL] == '' and (item[T_ACTION] == SHADOW) == is_shadow)
      end
    end
    if not is_own then
      merged = merged .. string.sub(given_defaults, at, at + CAP_BYTES - 1)
    end
    at = at + CAP_BYTES
  end
  own_caps = own_caps or {}
  own_caps[merged_path], caps[merged_path] = own, merged

  if at <= #given_defaults then
    local own_limits, known, rate_identity, identity_end = limits and limits[merged_path] or '', {}, nil, nil
    -- By identity: what was kept of defaults, then what is the account's own, which wins; then the defaults themselves.
    local texts, first, added = { redis.call('HGET', STATE, 'm' .. merged_path) or '', own_limits, given_defaults }, at, ''
    for turn = 1, 3 do
      local items = texts[turn]
      at = turn == 3 and first or 1
      while at <= #items do
        --- @inline lib/limit_identity
        local kind, kept = string.byte(items, at), known[rate_identity]
        if turn < 3 then
          known[rate_identity] = turn == 2 or string.sub(items, at, identity_end - 1)
        elseif kept ~= true then
          -- The definition, with the state that was kept of the same algorithm.
          local state, tail_at = struct.pack('<i5i6i7', root[SEQUENCE], 0, 0), at + LIMIT_BYTES
          if kind == CONCURRENT then
            state = struct.pack('<i5i6i7', root[SEQUENCE], 0, nodes[merged_path][OPEN_HOLDS])
          elseif kept and string.byte(kept) == kind then
            local previous_bytes = kind == SLIDING and 7 or 0
            state = string.sub(kept, LIMIT_HEAD_BYTES - 4, LIMIT_BYTES + previous_bytes)
            tail_at = tail_at + previous_bytes
          end
          local tail = string.sub(items, tail_at, identity_end - 1)
          if kept and string.byte(kept) == kind and string.byte(items, at + 1) % 8 >= IS_SHADOW then
            tail = string.sub(tail, 1, -8) .. string.sub(kept, -7)
          end
          added = added .. string.sub(items, at, at + LIMIT_HEAD_BYTES - 6) .. state .. tail
        end
        at = identity_end
      end
    end
    own_limit_bytes = own_limit_bytes or {}
    own_limit_bytes[merged_path] = #own_limits
    if added ~= '' then
      limits = limits or {}
      limits[merged_path] = own_limits .. added
    end
  end
end
