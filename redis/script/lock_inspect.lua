-- Tells who holds a lock and who waits, without changing anything.
-- KEYS   1 state  2 queue  3 fence  4 waiters
-- ARGV   1 most waiters to tell
-- reply  {now, limit, holders, waiters}: holders as {token, fence, ms to the end
--        of the lease}..., waiters as record, ticket, ...
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local holder, holders = redis.call('GET', KEYS[1]), {}
if holder then
  holders[1] = {holder, tonumber(redis.call('GET', KEYS[3]) or 0), redis.call('PTTL', KEYS[1])}
end
return {now, 1, holders, redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES')}
