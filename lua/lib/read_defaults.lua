-- read_defaults (inline): the defaults that hold for each level of the account: those of the plan that it is on, else those of
-- the level. Reads levels, known_defaults (field d of the config: 1 there are some, 2 also of plans; false: written by a release
-- before them, or gone; without the mark of a full backlog), first_level (from which on). Sets defaults, and code where the config is not what it must be.
--- @include lib/keys
--- @include lib/codes
if not known_defaults then
  local generation = redis.call('HGET', CONFIG, 'generation')
  if generation ~= GENERATION then
    code = generation and NEEDS_RESTORE or NAMESPACE_UNKNOWN
  end
else
  local names, of_plans, count, wanted = {}, {}, #levels - first_level + 1, {}
  for at = first_level, #levels do
    local _, slashes = string.gsub(levels[at], '/', '')
    names[at - first_level + 1] = 'd' .. string.char(levels[at] == '' and 49 or 50 + slashes)
  end
  if known_defaults == '2' then
    local plan_fields = {}
    for at = first_level, #levels do
      plan_fields[#plan_fields + 1] = 'p' .. levels[at]
    end
    local kept_plans = #plan_fields > 0 and redis.call('HMGET', STATE, unpack(plan_fields)) or {}
    for at = 1, #plan_fields do
      if kept_plans[at] and #kept_plans[at] > 1 then
        count = count + 1
        names[count], of_plans[at] = names[at] .. ':' .. string.sub(kept_plans[at], 2), count
      end
    end
  end
  local found = count > 0 and redis.call('HMGET', CONFIG, unpack(names, 1, count)) or {}
  defaults = wanted
  for at = first_level, #levels do
    local place = at - first_level + 1
    if not found[place] then
      code = NEEDS_RESTORE
    end
    wanted[at] = of_plans[place] and found[of_plans[place]] or found[place]
  end
end
