-- Takes a permit or one side of a reader-writer lock, or gives its caller a place
-- in the queue. One attempt, whatever its number of deliveries.
-- KEYS   1 state (sorted set)  2 queue  3 register (hash)  4 waiters
-- ARGV   1 token inst|seq  2 last server time, in ms, at which to execute this
--        3 '' to try, else the ticket to queue with, '0' for a new one  4 record
--        5 mode, 'w' alone or 'r' with others  6 limit, 0 for none
-- reply  the fence alone, which is also the time in µs: granted
--        {1, fence, now, other limit}  granted
--        {0, ms to the next deadline, now, ticket, rank, a holder, its fence,
--         other limit}  held
--        {-1, 0, now}  too late: nothing was done
--        The other limit is the one that somebody else uses here, or 0.
local at = redis.call('TIME')
local clock = at[1] * 1000000 + at[2]
local now = math.floor(clock / 1000)
if now > tonumber(ARGV[2]) then return {-1, 0, now} end
if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  local fence = clock
  local last = redis.call('HGET', KEYS[3], 'f')
  if last and tonumber(last) >= fence then fence = last + 1 end
  redis.call('ZADD', KEYS[1], now + @LEASE@, ARGV[5] .. '|' .. ARGV[1])
  redis.call('PEXPIRE', KEYS[1], @LEASE@ + 1000)
  redis.call('DEL', KEYS[3])
  redis.call('HSET', KEYS[3], 'f', fence, 'l', ARGV[6], ARGV[1], fence)
  redis.call('PEXPIRE', KEYS[3], '@RETENTION@')
  if fence == clock then return fence end
  return {1, fence, now, 0}
end
--@shared_queue
local token, mode, limit = ARGV[1], ARGV[5], tonumber(ARGV[6])
local member = mode .. '|' .. token
if redis.call('EXISTS', KEYS[2]) == 1 then promote() else purge() end
local other = 0
if limit > 0 then
  local used = tonumber(redis.call('HGET', KEYS[3], 'l') or limit)
  if used ~= limit and redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then other = used end
end
local till = redis.call('ZSCORE', KEYS[1], member)
local held = till and tonumber(till) > now
if held or (redis.call('EXISTS', KEYS[2]) == 0 and fits(mode, limit)) then
  hold(mode, token, @LEASE@)
  redis.call('ZREM', KEYS[2], ARGV[4])
  local fence = held and tonumber(redis.call('HGET', KEYS[3], token) or 0) or 0
  if fence == 0 then fence = draw(token) end
  if limit > 0 then redis.call('HSET', KEYS[3], 'l', limit) end
  return {1, fence, now, other}
end
local ticket, rank = 0, -1
if ARGV[3] ~= '' then
  ticket = enqueue(ARGV[4], ARGV[3])
  rank = redis.call('ZRANK', KEYS[2], ARGV[4])
end
local one = first()
local holder = string.sub(one[1] or '', 3)
return {0, one[2] and one[2] - now or -2, now, ticket, rank, holder,
  tonumber(redis.call('HGET', KEYS[3], holder) or 0), other}
