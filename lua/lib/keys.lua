-- keys: the names a script has for the keys it was given; lua/README.md is the map of what they hold.
-- Every script on a root receives these six keys in this order, whatever it uses of them.
local STATE, HOLDS, LEDGER, CONFIG = KEYS[1], KEYS[2], KEYS[5], KEYS[6]
-- The two stores of operation records; which one is current stands in the root record.
local OPS = { [0] = KEYS[3], [1] = KEYS[4] }
-- The first three arguments are common too: what the client believes the generation is (8 raw bytes),
-- the root (encoded) and the account's path below the root ('' for the root itself).
local GENERATION, ROOT_NAME, PATH = ARGV[1], ARGV[2], ARGV[3]
