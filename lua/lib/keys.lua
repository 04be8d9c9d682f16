-- keys: names for the keys and the common arguments of every script on a root; lua/README.md says what the keys hold.
-- The two operation stores take turns at being the current one.
local STATE, HOLDS, STORE_0, STORE_1, LEDGER, CONFIG = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
-- Scripts that charge get the shard's stream of events too.
local EVENTS = KEYS[7]
-- What the client believes the generation is (8 raw bytes), the account (encoded, root/path), its path below the root
-- ('' for the root itself), and - in scripts that have one - the field of the operation's record.
local GENERATION, ACCOUNT, PATH, FIELD = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
