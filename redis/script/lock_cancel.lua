-- Takes an attempt back, whatever became of it: out of the queue, or a grant that
-- crossed the cancellation, which goes to the next waiter.
-- KEYS   1 state  2 queue  3 fence  4 waiters
-- ARGV   1 token  2 record
-- reply  2 if it held the lock, 1 if it was queued, 0 if neither
local ended = redis.call('ZREM', KEYS[2], ARGV[2])
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[1])
  holder, ended = false, 2
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[4])
  return ended
end
if holder then return ended end
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@lock_queue
promote()
return ended
