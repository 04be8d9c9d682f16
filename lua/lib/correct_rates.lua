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
        elseif applies and actual_amount and admitted_sequence > since then
          if what % 4 == COUNTS_AMOUNT then
            more = actual_amount - estimated_amount
          elseif what % 4 == COUNTS_TOKENS and actual_tokens then
            more = actual_tokens - label_tokens
          end
        end
        if more ~= 0 then
          local most = MAX_UNITS
          if rate_kind == GCRA then
            more = more * period_ms
            if more < 0 then
              -- What has drained since the admission is not given back.
              more = more + (now_ms > admitted_ms and now_ms - admitted_ms or 0) * rate_limit
              more = more < 0 and more or 0
            end
          elseif rate_kind == SLIDING then
            most = MAX_UNITS / period_ms - MAX_UNITS / period_ms % 1
            if more < 0 and admitted_ms < last_ms then
              if admitted_ms >= last_ms - period_ms then
                rate_previous = rate_previous + more > 0 and rate_previous + more or 0
              end
              more = 0
            end
          elseif rate_kind == FIXED and more < 0 and admitted_ms < last_ms then
            more = 0
          end
          rate_used = rate_used + more
          rate_used = rate_used < 0 and 0 or rate_used > most and most or rate_used
        end
        --- @inline lib/limit_pack
        after = after .. packed_limit
        at = next_at
      end
      limited = limited or {}
      limited[ended_levels[i]] = after
    end
  end
end
