-- Gives a slot up and admits the waiters that now fit.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   1 token
-- reply  1 if the token held a slot, else 0
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@redlock_slot_queue
local held = slotOf(ARGV[1])
drop(ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then promote() end
return held and 1 or 0
