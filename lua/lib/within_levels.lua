-- within_levels (inline): the levels of further paths, root first, that are not listed yet. Reads within, listed (paths).
-- Sets listed.
do
  local is_listed = {}
  for at = 1, #listed do
    is_listed[listed[at]] = true
  end
  for path in string.gmatch(within, '[^+]+') do
    local at = 0
    while at do
      at = string.find(path, '/', at + 1, true)
      local level = at and string.sub(path, 1, at - 1) or path
      if not is_listed[level] then
        is_listed[level], listed[#listed + 1] = true, level
      end
    end
  end
end
