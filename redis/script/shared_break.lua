-- Ends the holds, a bounded number at a time, tells their processes, and admits
-- the waiters once none is left.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   none
-- reply  {holds that were ended, holds that are left}
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@shared_queue
--@bereave
purge()
local members = redis.pcall('ZRANGE', KEYS[1], 0, @BOUND@ - 1)
if members.err then
  redis.call('DEL', KEYS[1])
  members = {}
end
for _, member in ipairs(members) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[3], string.sub(member, 3))
  bereave(string.sub(member, 3))
end
local left = redis.call('ZCARD', KEYS[1])
if left == 0 then promote() end
return {#members, left}
