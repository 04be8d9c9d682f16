-- correct_rates (inline): ends what a hold takes of the limits of its levels: its place in those on concurrency, and what was
-- estimated is made what it was. Only a limit that counted the hold is corrected: it began before, the label says when.
-- Reads ended_levels, limits, limited, packed_label (the hold's), estimated_amount, actual_amount, actual_tokens (nil:
-- nobody said, the estimates stand). Sets limited and, of the limit it looks at, rate_used and rate_previous.
--- @include lib/units
--- @include lib/limit
--- @include lib/load
--- @include lib/queue
do
  --- @inline lib/label_parts
  for i = 1, #ended_levels do
    local items = limited and limited[ended_levels[i]] or limits[ended_levels[i]]
    if items then
      local at, after = 1, ''
      while at <= #items do
        --- @inline lib/limit_state
        local applies = (rate_operation == '' or rate_operation == label_operation)
          and (rate_model == '' or rate_model == label_model)
        local more = 0
        if applies and rate_kind == CONCURRENT then
          more = -1
        elseif applies and actual_amount and admitted_sequence > since and not (label_shadowed and what % 8 >= IS_SHADOW) then
          if what % 4 == COUNTS_AMOUNT then
            more = actual_amount - estimated_amount
          elseif what % 4 == COUNTS_TOKENS and actual_tokens then
            more = actual_tokens - label_tokens
          end
        end
        if more ~= 0 then
          local most = MAX_UNITS
          if rate_kind == GCRA then
            if more < 0 then
              -- Given back is what is left of the estimate, at most the difference.
              local estimate = what % 4 == COUNTS_AMOUNT and estimated_amount or label_tokens
              local left = last_ms < admitted_ms and 0 or estimate * period_ms - (last_ms - admitted_ms) * rate_limit
              left = left > 0 and left or 0
              more = left < -more * period_ms and -left or more * period_ms
            else
              more = more * period_ms
            end
          elseif rate_kind == SLIDING then
            most = MAX_UNITS / period_ms - MAX_UNITS / period_ms % 1
            if more < 0 and (admitted_ms < last_ms or admitted_ms >= last_ms + period_ms) then
              if admitted_ms >= last_ms - period_ms and admitted_ms < last_ms then
                rate_previous = rate_previous + more > 0 and rate_previous + more or 0
              end
              more = 0
            end
          elseif rate_kind == FIXED and more < 0 and (admitted_ms < last_ms or admitted_ms >= last_ms + period_ms) then
            more = 0
          end
          rate_used = rate_used + more
          rate_used = rate_used < 0 and 0 or rate_used > most and most or rate_used
          --- @inline lib/limit_pack
          after = after .. packed_limit
        else
          after = after .. string.sub(items, at, next_at - 1)
        end
        at = next_at
      end
      limited = limited or {}
      limited[ended_levels[i]] = after
    end
  end
end
