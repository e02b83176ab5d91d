-- Asks one of several servers for its vote on a lock, and for a place in its queue
-- if the caller wants to wait there. One attempt, whatever its number of
-- deliveries.
-- KEYS   1 state (string)  2 queue  3 fence (string)  4 waiters  5 guard
-- ARGV   1 token inst|seq  2 last server time, in ms, at which to execute this
--        3 '' to try, else the ticket to queue with, '0' for a new one  4 record
--        5 proposed fence  6 name for the server
-- reply  {1, fence, now, 0, server, 0}  granted
--        {0, ms to the end of the lease, now, ticket, rank, holder, its fence, 0,
--         server}  held
--        {-1, 0, now}  too late: nothing was done
--        {-3, ms until it votes, now, server}  in quarantine
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
if now > tonumber(ARGV[2]) then return {-1, 0, now} end
local guardian = ARGV[6]
--@redlock_guard
if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  local fence = choose(redis.call('GET', KEYS[3]), ARGV[5])
  redis.call('SET', KEYS[1], ARGV[1], 'PX', @LEASE@)
  redis.call('SET', KEYS[3], fence, 'PX', @RETENTION@)
  return {1, fence, now, 0, server, 0}
end
--@lock_queue
local holder = redis.call('GET', KEYS[1])
if not holder then
  promote()
  holder = redis.call('GET', KEYS[1])
end
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], @LEASE@)
  return {1, tonumber(redis.call('GET', KEYS[3]) or 0), now, 0, server, 0}
end
if not holder and redis.call('EXISTS', KEYS[2]) == 0 then
  local fence = choose(redis.call('GET', KEYS[3]), ARGV[5])
  redis.call('SET', KEYS[1], ARGV[1], 'PX', @LEASE@)
  redis.call('SET', KEYS[3], fence, 'PX', @RETENTION@)
  return {1, fence, now, 0, server, 0}
end
local ticket, rank = 0, -1
if ARGV[3] ~= '' then
  ticket = enqueue(ARGV[4], ARGV[3])
  rank = redis.call('ZRANK', KEYS[2], ARGV[4])
end
return {0, redis.call('PTTL', KEYS[1]), now, ticket, rank, holder or '', tonumber(redis.call('GET', KEYS[3]) or 0), 0, server}
