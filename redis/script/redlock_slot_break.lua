-- Ends the holds, a bounded number at a time, tells their processes, and admits
-- the waiters once none is left.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   none
-- reply  {holds that were ended, holds that are left}
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@redlock_slot_queue
--@bereave
-- What is no set of slots was put here by somebody else, and nothing could read it.
if type(redis.pcall('ZCARD', KEYS[1])) ~= 'number' then redis.call('DEL', KEYS[1]) end
purge()
local slots = redis.call('ZRANGE', KEYS[1], 0, @BOUND@ - 1)
for _, slot in ipairs(slots) do
  local token = redis.call('HGET', KEYS[3], 's' .. slot)
  redis.call('ZREM', KEYS[1], slot)
  if token then
    drop(token)
    bereave(token)
  end
end
local left = redis.call('ZCARD', KEYS[1])
if left == 0 then promote() end
return {#slots, left}
