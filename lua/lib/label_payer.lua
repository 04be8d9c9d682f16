-- label_payer (inline): who pays for a hold, told by the last byte of its label when it is another than the account itself.
-- Reads packed_label. Sets label_payer (the payer's level, 1 the root; 0: the account pays).
local label_payer = 0
do
  local type_bytes = string.byte(packed_label) or 0
  local tail_bytes = #packed_label - type_bytes - (string.byte(packed_label, type_bytes + 2) or 0) - 3
  -- The tail may hold tokens (7) and what limits counted (11): lib/label_parts.
  if tail_bytes == 1 or tail_bytes == 8 or tail_bytes == 12 or tail_bytes == 19 then
    label_payer = string.byte(packed_label, -1)
  end
end
