-- release_hold: frees the found hold without a charge. Reads payer, refusal (OK: by request), what lib/found_hold sets
-- and - with a refusal, so that a repeated deduct_credits is answered alike - asked and notes.
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/load
--- @include lib/queue
--- @include lib/found_hold
do
  local actual_amount, actual_tokens = 0, 0
  --- @inline lib/drop_hold
end
root[SEQUENCE] = root[SEQUENCE] + 1
entry = struct.pack(ENTRY_FORMAT .. 'B', ENTRY_LAYOUT, RELEASE, GENERATION, root[SEQUENCE], now_ms, hold_amount,
  payer[BALANCE], #entry_account, entry_account, #reference, reference, refusal)
record_head = struct.pack(HOLD_FORMAT, RELEASED, hold_flags + (refusal ~= OK and WAS_REFUSED or 0), hold_first,
  hold_expires_ms, hold_balance, hold_held)
if refusal ~= OK then
  record_head = record_head .. struct.pack('<Bi7i7', refusal, asked, payer[BALANCE]) .. notes
end
