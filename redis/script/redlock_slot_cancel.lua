-- Takes an attempt back, whatever became of it: out of the queue, or a grant that
-- crossed the cancellation.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   1 token  2 record
-- reply  2 if it held, 1 if it was queued, 0 if neither
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@redlock_slot_queue
local ended = redis.call('ZREM', KEYS[2], ARGV[2])
if drop(ARGV[1]) == 1 then ended = 2 end
promote()
return ended
