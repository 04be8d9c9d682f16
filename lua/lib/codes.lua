-- codes: the result codes, in order of precedence; mirrored in ducto_redis/codes.py and docs/results.md
-- (tests/unit/test_codes.py compares the three).
local OK = 0
local INVALID_AMOUNT, INVALID_ID, INVALID_ARGUMENT = 1, 2, 3
local NAMESPACE_UNKNOWN, NEEDS_RESTORE, SCHEMA_NEWER, ROLL_NEEDED = 10, 11, 12, 13
local CANCELLED = 20
local LEASE_NOT_FOUND, LEASE_EXPIRED = 21, 22
local ACCOUNT_UNKNOWN, FEATURE_NOT_ENTITLED = 30, 31
local BACKLOG_FULL, TOO_MANY_HOLDS, TOO_MANY_CAPS, TOO_MANY_LIMITS = 40, 41, 42, 43
local CONCURRENCY_LIMIT, RATE_LIMITED, CAP_REACHED, INSUFFICIENT_CREDITS = 50, 51, 52, 53
