-- timed_write (inline): packs the timed caps of an account. Reads timed_items. Sets packed_timed.
--- @include lib/timed
packed_timed = ''
for i = 1, #timed_items do
  local item, kept, count = timed_items[i], '', 0
  local zone, model, others = item[T_ZONE], item[T_MODEL], item[T_OTHERS]
  if others then
    count = #others / 2
    for at = 1, 2 * count, 2 do
      kept = kept .. struct.pack(OTHER_FORMAT, others[at], others[at + 1])
    end
  end
  packed_timed = packed_timed .. struct.pack(TIMED_FORMAT, item[T_KIND], item[T_ACTION], item[T_LIMIT], item[T_SPENT],
    item[T_HELD], item[T_START], item[T_END], item[T_SINCE], count, #zone, #model) .. kept .. zone .. model
end
