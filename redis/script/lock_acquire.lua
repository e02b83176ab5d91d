-- Takes a lock, or gives its caller a place in the queue. One attempt, whatever
-- its number of deliveries: a token that holds the lock already is granted again.
-- KEYS   1 state (string)  2 queue  3 fence (string)  4 waiters
-- ARGV   1 token inst|seq  2 last server time, in ms, at which to execute this
--        3 '' to try, else the ticket to queue with, '0' for a new one  4 record
-- reply  the fence alone, which is also the time in µs: granted
--        {1, fence, now}  granted
--        {0, ms to the end of the lease, now, ticket, rank, holder, its fence}  held
--        {-1, 0, now}  too late: nothing was done
-- Every conversion and every table of the first lines is time in which the server
-- serves nobody, which is why they look so.
local at = redis.call('TIME')
local clock = at[1] * 1000000 + at[2]
local now = math.floor(clock / 1000)
if now > tonumber(ARGV[2]) then return {-1, 0, now} end
if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  local last = redis.call('GET', KEYS[3])
  if not last or tonumber(last) < clock then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', '@LEASE@')
    redis.call('SET', KEYS[3], clock, 'PX', '@RETENTION@')
    return clock
  end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', '@LEASE@')
  redis.call('SET', KEYS[3], last + 1, 'PX', '@RETENTION@')
  return {1, last + 1, now}
end
--@lock_queue
local holder = redis.call('GET', KEYS[1])
if not holder then
  promote()
  holder = redis.call('GET', KEYS[1])
end
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], @LEASE@)
  return {1, tonumber(redis.call('GET', KEYS[3]) or 0), now}
end
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', @LEASE@)
  redis.call('ZREM', KEYS[2], ARGV[4])
  return {1, draw(), now}
end
local ticket, rank = 0, -1
if ARGV[3] ~= '' then
  ticket = enqueue(ARGV[4], ARGV[3])
  rank = redis.call('ZRANK', KEYS[2], ARGV[4])
end
return {0, redis.call('PTTL', KEYS[1]), now, ticket, rank, holder, tonumber(redis.call('GET', KEYS[3]) or 0)}
