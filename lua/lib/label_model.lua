-- label_model (inline): the model in a label: type and model with their lengths, then the mode.
-- Reads packed_label. Sets used_model ('' without one).
do
  local type_bytes = string.byte(packed_label) or 0
  local model_bytes = string.byte(packed_label, type_bytes + 2) or 0
  used_model = string.sub(packed_label, type_bytes + 3, type_bytes + 2 + model_bytes)
end
