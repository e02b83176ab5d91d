-- Tells who holds slots and who waits, without changing anything.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   1 most holders, and most waiters, to tell
-- reply  {now, limit, holders, waiters}: holders as {mode|token, fence, ms to its
--        deadline}..., waiters as record, ticket, ...
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local holders = {}
local alive = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #alive, 2 do
  local token = redis.call('HGET', KEYS[3], 's' .. alive[i]) or ''
  holders[#holders + 1] = {'r|' .. token, tonumber(redis.call('HGET', KEYS[3], '#' .. token) or 0), alive[i + 1] - now}
end
return {now, tonumber(redis.call('HGET', KEYS[3], 'l') or 0), holders,
  redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES')}
