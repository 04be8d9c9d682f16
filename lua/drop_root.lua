#!lua flags=allow-oom
--[[ drop_root: gives up a root of another life of the namespace, on a shard that is being restored.
  KEYS   the six of a root (lib/keys)
  ARGV   1 generation  8 raw bytes: of the restored namespace
  Reply  {code, dropped}; 0 where the root is one of this restore, or there is none
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE (the shard is not being restored)
  Entry  none: the caller was told to give it up   Cost O(1), the memory is freed in the background
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/root

local config, root = redis.call('HMGET', CONFIG, 'generation', 'state'), redis.call('HGET', STATE, 'r')
if not config[1] then
  return { NAMESPACE_UNKNOWN, 0 }
elseif config[1] ~= GENERATION or config[2] ~= 'restoring' then
  return { NEEDS_RESTORE, 0 }
elseif not root or (#root == ROOT_BYTES and string.sub(root, 2, 9) == GENERATION) then
  return { OK, 0 }
end
redis.call('UNLINK', STATE, HOLDS, STORE_0, STORE_1)
return { OK, 1 }
