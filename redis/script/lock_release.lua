-- Gives a lock up and hands it to the next waiter.
-- KEYS   1 state  2 queue  3 fence  4 waiters
-- ARGV   1 token
-- reply  1 if the token held the lock, else 0
if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('DEL', KEYS[1])
end
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@lock_queue
local holder, ended = redis.call('GET', KEYS[1]), 0
if holder == ARGV[1] then
  ended = redis.call('DEL', KEYS[1])
  holder = false
end
if not holder then promote() end
return ended
