-- cap: a spend limit per calendar period, packed in 9 bytes: kind, action, limit. The kind is the position of the
-- counter it looks at, so a cap needs none of its own. Check: lib/bounds and lib/gate. Commit:
-- lib/settle_hold.
--- @include lib/struct
local CAP_FORMAT, CAP_BYTES = '<BBi7', 9
local DAILY, MONTHLY, TOTAL = 4, 5, 6
local DENY, WARN, NOTIFY = 0, 1, 2
-- What a reply says of a cap: level (1 is the root), kind, action, flags, limit, spent, admitted (25 bytes).
local NOTE_FORMAT = '<BBBBi7i7i7'
-- Its flags: this cap refuses the amount; this charge is the one that crossed it; a deny cap that a hold admitted
-- before has passed.
local NOTE_REFUSED, NOTE_FIRST, NOTE_OVER = 1, 2, 4
-- And: a timed cap (lib/timed); end of its period, lengths of model and zone, model and zone follow the 25 bytes.
local NOTE_TIMED = 8
-- A note of this level comes first and names the memberships that the operation counts for: I2 and text, lib/load_within.
local WITHIN_NOTE = 255
local CAPS_MAX = 32
-- Behind a simple cap its thresholds, each an item of its kind: action THRESHOLD + percent, and as limit the last spend that
-- does not reach it. They refuse nothing; the charge that crosses one says so (lib/spend), once.
-- An item of kind BALANCE (lib/node) and action THRESHOLD tells when charges bring the payer's balance down to its limit.
local THRESHOLD, THRESHOLDS_MAX = 128, 8
-- A shadow: a deny cap that refuses nothing; what it would have refused is counted (lib/count_shadows) in field w<path>, per
-- cap kind and model: number of admissions and their amount. It stands beside a cap of the same kind and model.
local SHADOW = 16
local SHADOW_FORMAT = '<BBc0i7i7'
