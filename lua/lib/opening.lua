-- opening: creates the root and the nodes of an account that does not exist yet, for the writes that may do so.
--- @include lib/root
--- @include lib/state

local function open_account(levels)
  root = root or new_root(now_ms)
  for i = 1, #levels do
    if not nodes[levels[i]] then
      touch_node(levels[i])
    end
  end
end
