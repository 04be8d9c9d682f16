-- own_plan: the plan that the account is on (set_plan): field p<path>, behind the level of who pays.
-- Sets own_plan ('' none).
--- @include lib/keys
--- @include lib/load
local own_plan = string.sub(redis.call('HGET', STATE, 'p' .. PATH) or '', 2)
