-- read_defaults (inline): the defaults that hold for each level of the account: those of the plan that it is on, else those of
-- the level. Reads levels, known_defaults (field d of the config: 1 there are some, 2 also of plans; false: written by a release
-- before them, or gone). Sets defaults, and code where the config is not what it must be.
--- @include lib/keys
--- @include lib/codes
if not known_defaults then
  local generation = redis.call('HGET', CONFIG, 'generation')
  if generation ~= GENERATION then
    code = generation and NEEDS_RESTORE or NAMESPACE_UNKNOWN
  end
else
  local names, of_plans, count = {}, {}, #levels
  for level = 1, #levels do
    names[level] = 'd' .. string.char(48 + level)
  end
  if known_defaults == '2' then
    local plan_fields = {}
    for level = 1, #levels do
      plan_fields[level] = 'p' .. levels[level]
    end
    local kept_plans = redis.call('HMGET', STATE, unpack(plan_fields))
    for level = 1, #levels do
      if kept_plans[level] and #kept_plans[level] > 1 then
        count = count + 1
        names[count], of_plans[level] = names[level] .. ':' .. string.sub(kept_plans[level], 2), count
      end
    end
  end
  defaults = redis.call('HMGET', CONFIG, unpack(names, 1, count))
  for level = 1, #levels do
    if not defaults[level] then
      code = NEEDS_RESTORE
    end
    defaults[level] = of_plans[level] and defaults[of_plans[level]] or defaults[level]
  end
end
