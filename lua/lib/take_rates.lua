-- take_rates (inline): takes from the limits what lib/rates prepared, when the whole is admitted; what freed holds gave back at
-- other levels stays. Reads code, rate_code, rated. Sets code (by precedence before caps and money) and limited.
--- @include lib/codes
--- @include lib/queue
if rate_code ~= OK then
  code = rate_code
elseif code == OK then
  limited = limited or rated
  for path, packed in pairs(rated) do
    limited[path] = packed
  end
end
