-- Ends the holds, a bounded number at a time, tells their processes, and admits
-- the waiters once none is left.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   none
-- reply  {holds that were ended, holds that are left}
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@shared_queue
--@bereave
-- What is no set of holders was put here by somebody else, and nothing could read it.
if type(redis.pcall('ZCARD', KEYS[1])) ~= 'number' then redis.call('DEL', KEYS[1]) end
purge()
local members = redis.call('ZRANGE', KEYS[1], 0, @BOUND@ - 1)
for _, member in ipairs(members) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[3], string.sub(member, 3))
  bereave(string.sub(member, 3))
end
local left = redis.call('ZCARD', KEYS[1])
if left == 0 then promote() end
return {#members, left}
