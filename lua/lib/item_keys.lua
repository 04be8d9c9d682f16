-- item_keys: in place of lib/keys in scripts on many accounts: names for the keys and arguments of the item whose first
-- ones follow key_at and arg_at; all items are of one shard. Reads key_at, arg_at.
local LEDGER, CONFIG, EVENTS, GENERATION = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local STATE, HOLDS, STORE_0, STORE_1 = KEYS[key_at + 1], KEYS[key_at + 2], KEYS[key_at + 3], KEYS[key_at + 4]
local ACCOUNT, PATH, FIELD = ARGV[arg_at + 1], ARGV[arg_at + 2], ARGV[arg_at + 3]
