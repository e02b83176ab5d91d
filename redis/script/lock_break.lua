-- Ends the hold, tells its process, and hands the lock to the next waiter.
-- KEYS   1 state  2 queue  3 fence  4 waiters
-- ARGV   none
-- reply  {holds that were ended, holds that are left}
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@lock_queue
--@bereave
local holder, ended = redis.pcall('GET', KEYS[1]), 0
if holder then
  redis.call('DEL', KEYS[1])
  ended = 1
  if type(holder) == 'string' then bereave(holder) end
end
promote()
return {ended, 0}
