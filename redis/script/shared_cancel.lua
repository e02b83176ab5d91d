-- Takes an attempt back, whatever became of it: out of the queue, or a grant that
-- crossed the cancellation. Either may let others in.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   1 token  2 record  3 mode
-- reply  2 if it held, 1 if it was queued, 0 if neither
local ended = redis.call('ZREM', KEYS[2], ARGV[2])
if redis.call('ZREM', KEYS[1], ARGV[3] .. '|' .. ARGV[1]) == 1 then ended = 2 end
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[4])
  return ended
end
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@shared_queue
promote()
return ended
