-- label_parts (inline): what a label says: length and text of operation type and of model, the mode; then [i7 tokens], of a
-- hold that limits have counted i5 the root's sequence and i6 the time of its admission, and [B payer] (lib/label_payer).
-- Reads packed_label. Sets label_operation, label_model, label_tokens (0 without), admitted_sequence and admitted_ms (0 without), label_shadowed (a shadow
-- limit would have refused it: the time is negative).
local label_operation, label_model, label_at = struct.unpack('<Bc0Bc0', packed_label)
local label_tokens, admitted_sequence, admitted_ms = 0, 0, 0
local label_rest = #packed_label - label_at
local counted_bytes = label_rest % 11 == 1 and label_rest - 1 or label_rest == 8 and 7 or label_rest == 19 and 18 or label_rest
if counted_bytes == 7 or counted_bytes == 18 then
  label_tokens, label_at = struct.unpack('<i7', packed_label, label_at + 1)
  label_at = label_at - 1
end
if counted_bytes >= 11 then
  admitted_sequence, admitted_ms = struct.unpack('<i5i6', packed_label, label_at + 1)
end
local label_shadowed = admitted_ms < 0
if label_shadowed then
  admitted_ms = -admitted_ms
end
