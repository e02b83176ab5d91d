-- Asks one of several servers for its vote on one side of a reader-writer lock,
-- and for a place in its queue if the caller wants to wait there.
-- KEYS   1 state (sorted set)  2 queue  3 register (hash)  4 waiters  5 guard
-- ARGV   1 token inst|seq  2 last server time, in ms, at which to execute this
--        3 '' to try, else the ticket to queue with, '0' for a new one  4 record
--        5 proposed fence  6 name for the server  7 mode
-- reply  as of redlock_lock_acquire
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
if now > tonumber(ARGV[2]) then return {-1, 0, now} end
local guardian = ARGV[6]
--@redlock_guard
--@shared_queue
local token, mode = ARGV[1], ARGV[7]
local function grant()
  hold(mode, token, @LEASE@)
  redis.call('ZREM', KEYS[2], ARGV[4])
  local fence = tonumber(redis.call('HGET', KEYS[3], token) or 0)
  if fence == 0 then
    fence = choose(redis.call('HGET', KEYS[3], 'f'), ARGV[5])
    redis.call('HSET', KEYS[3], 'f', fence, token, fence)
  end
  redis.call('PEXPIRE', KEYS[3], @RETENTION@)
  return {1, fence, now, 0, server, 0}
end
if redis.call('EXISTS', KEYS[2]) == 1 then promote() else purge() end
local till = redis.call('ZSCORE', KEYS[1], mode .. '|' .. token)
if till and tonumber(till) > now then return grant() end
redis.call('HDEL', KEYS[3], token)
if redis.call('EXISTS', KEYS[2]) == 0 and fits(mode, 0) then return grant() end
local ticket, rank = 0, -1
if ARGV[3] ~= '' then
  ticket = enqueue(ARGV[4], ARGV[3])
  rank = redis.call('ZRANK', KEYS[2], ARGV[4])
end
local one = first()
local holder = string.sub(one[1] or '', 3)
return {0, one[2] and one[2] - now or -2, now, ticket, rank, holder,
  tonumber(redis.call('HGET', KEYS[3], holder) or 0), 0, server}
