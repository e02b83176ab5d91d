-- Gives a hold up and admits the waiters that now fit.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   1 token  2 mode
-- reply  1 if the token held, else 0
local ended = redis.call('ZREM', KEYS[1], ARGV[2] .. '|' .. ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then return ended end
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@shared_queue
promote()
return ended
