-- rates (inline): asks every rate and concurrency limit of every level, and prepares what they become once the whole is
-- admitted; it writes nothing. Where an account has none, it is not run.
-- Reads limits, limited, label_operation, label_model, requests (1; 0 for what continues an admission: it is no request,
-- and limits that count tokens look at it only when it has some), amount, tokens, opens (1 when a hold is made, 2 when it
-- takes the place of one). Sets rate_code (OK, or of what refused), rate_notes, rated (path -> packed limits), rate_shadowed
-- (a shadow would have refused) and, of the limit it looks at, rate_used and packed_limit.
--- @include lib/codes
--- @include lib/limit
--- @include lib/load
--- @include lib/queue
local rate_code, rate_notes, rated, rate_shadowed = OK, '\0', {}, false
for i = 1, #levels do
  local items = limited and limited[levels[i]] or limits[levels[i]]
  if items then
    local at, after = 1, nil
    while at <= #items do
      --- @inline lib/limit_state
      local cost = nil -- stays nil where this is none of the limit's business
      if (rate_operation == '' or rate_operation == label_operation) and (rate_model == '' or rate_model == label_model) then
        if rate_kind == CONCURRENT then
          cost = opens > 0 and 1 or nil
        elseif what % 4 == COUNTS_AMOUNT then
          cost = amount
        elseif what % 4 == COUNTS_TOKENS then
          cost = (requests > 0 or tokens > 0) and tokens or nil
        elseif requests > 0 then
          cost = requests
        end
      end
      if cost then
        local refuses = false
        if cost > 0 then
          if rate_kind == GCRA then
            refuses = cost > burst or rate_used + cost * period_ms > burst * period_ms
          elseif rate_kind == SLIDING then
            local part_ms = last_ms + period_ms - now_ms
            local weighted = rate_previous * (part_ms < period_ms and part_ms or period_ms) / period_ms
            refuses = weighted - weighted % 1 + rate_used + cost > rate_limit
          else
            refuses = rate_used + cost > rate_limit and not (rate_kind == CONCURRENT and opens == 2)
          end
        end
        -- The note has the state before the admission; the item after it is packed next, each in one go.
        if not (rate_kind == CONCURRENT and opens == 2) then
          rate_notes = rate_notes .. struct.pack(LIMIT_NOTE_FORMAT, i, refuses and 1 or 0, cost, rate_kind, what, rate_limit,
            period_ms, since, last_ms, rate_used)
        end
        local shadow_refuses = refuses and what % 8 >= IS_SHADOW
        if shadow_refuses then
          rate_shadowed = true
          -- Open holds are what they are; of a rate it takes nothing, as if it had refused.
          rate_used = rate_used + (rate_kind == CONCURRENT and cost or 0)
        elseif refuses then
          if rate_kind == CONCURRENT or rate_code == OK then
            rate_code = rate_kind == CONCURRENT and CONCURRENCY_LIMIT or RATE_LIMITED
          end
        elseif cost > 0 then
          rate_used = rate_used + (rate_kind == GCRA and cost * period_ms or cost)
        end
        --- @inline lib/limit_pack
        if shadow_refuses then
          packed_limit = string.sub(packed_limit, 1, -8) .. struct.pack('<i7', struct.unpack('<i7', packed_limit, #packed_limit - 6) + 1)
        end
        if limit_tail ~= '' and not (rate_kind == CONCURRENT and opens == 2) then
          rate_notes = rate_notes .. limit_tail
        end
        after = after and after .. packed_limit or packed_limit
      else
        after = (after or '') .. string.sub(items, at, next_at - 1)
      end
      at = next_at
    end
    rated[levels[i]] = after
  end
end
