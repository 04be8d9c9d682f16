-- answer_settled (inline): answers a hold that was settled before with the first outcome, whatever is asked now.
-- Reads record, asked, hold_flags, hold_amount. Sets answer.
--- @include lib/codes
--- @include lib/record
--- @include lib/load
do
  local first_charged, balance, at = struct.unpack('<i7i7', record, AFTER_HOLD)
  local first_asked = first_charged
  if hold_flags % (2 * HAS_ASKED) >= HAS_ASKED then
    first_asked, at = struct.unpack('<i7', record, at)
  end
  local id, notes_at = struct.unpack('<Bc0', record, at)
  answer = { OK, now_ms, first_asked == asked and REPEATED or REUSED, balance, first_charged, first_asked, hold_amount, id,
    string.sub(record, notes_at) }
end
