#!lua
--[[ hit: asks the limits of a stand-alone limiter and takes from them what is asked; no account, no money, no ledger.
  KEYS   1 state    string   <namespace>:{<shard>}:q:<digest of the limits>:<id>: the limits with their state, packed
  ARGV   1 given    the limits, packed (lib/limit), their state left at 0
         2 cost     what is asked, >= 1
         3 action   'hit', 'peek' (takes nothing) or 'reset' (forgets what was used)
         4 ttl_ms   after so long every limit is as if unused, and the state goes
  Reply  {code, now_ms, notes}; notes as in lib/rates
  Codes  RATE_LIMITED; CONCURRENCY_LIMIT is never answered, for limits on concurrency need holds
  Entry  none: what rates have used is no money   Cost O(limits)
]]
--- @replace lib/load lib/alone
--- @replace lib/queue lib/alone
--- @include lib/codes
--- @include lib/clock
local requests, action = tonumber(ARGV[2]), ARGV[3]
if action == 'reset' then
  redis.call('UNLINK', KEYS[1])
end
local items = redis.call('GET', KEYS[1]) or ARGV[1]
local label_operation, label_model, amount, tokens, opens = '', '', 0, 0, 0
--- @inline lib/rates
if action == 'hit' and rate_code == OK then
  redis.call('SET', KEYS[1], rated[''], 'PX', ARGV[4])
end
return { rate_code, now_ms, rate_notes }
