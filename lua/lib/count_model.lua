-- count_model: what open holds of a model, at the account and below, were admitted for. Reads model. Sets held_of_model.
--- @include lib/record
--- @include lib/holds_below
local held_of_model = 0
for i = 1, #below, 3 do
  local flags, amount, packed_label, used_model = below[i], below[i + 1], below[i + 2], ''
  --- @inline lib/label_model
  held_of_model = held_of_model + (used_model == model and flags % 2 == IS_ADMITTED and amount or 0)
end
