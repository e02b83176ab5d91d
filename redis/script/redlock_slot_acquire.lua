-- Asks one of several servers for its vote on one slot of a semaphore, or on any
-- slot, and for a place in its queue if the caller wants to wait there. A holder
-- that asks for another slot gives the one that it has for it.
-- KEYS   1 state (sorted set)  2 queue  3 register (hash)  4 waiters  5 guard
-- ARGV   1 token inst|seq  2 last server time, in ms, at which to execute this
--        3 '' to try, else the ticket to queue with, '0' for a new one  4 record
--        5 proposed fence  6 name for the server  7 limit  8 slot
--        9 '1' if another slot will do
-- reply  as of redlock_lock_acquire, but with the limit that somebody else uses,
--        or 0, before the server, and the slot after it
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
if now > tonumber(ARGV[2]) then return {-1, 0, now} end
local guardian = ARGV[6]
--@redlock_guard
--@redlock_slot_queue
local token, limit, slot, any = ARGV[1], tonumber(ARGV[7]), ARGV[8], ARGV[9] == '1'
if redis.call('EXISTS', KEYS[2]) == 1 then promote() else purge() end
local other = tonumber(redis.call('HGET', KEYS[3], 'l') or limit)
if other == limit or redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then other = 0 end
local mine = slotOf(token)
if not mine or not any and mine ~= slot then
  drop(token)
  mine = nil
  if fits(limit) and not (any and redis.call('EXISTS', KEYS[2]) == 1) then
    if not taken(slot) then mine = slot elseif any then mine = free(limit) end
  end
end
if mine then
  take(mine, token, @LEASE@)
  redis.call('ZREM', KEYS[2], ARGV[4])
  local fence = tonumber(redis.call('HGET', KEYS[3], '#' .. token) or 0)
  if fence == 0 then
    fence = choose(redis.call('HGET', KEYS[3], 'f'), ARGV[5])
    redis.call('HSET', KEYS[3], 'f', fence, '#' .. token, fence)
  end
  redis.call('HSET', KEYS[3], 'l', limit)
  return {1, fence, now, other, server, tonumber(mine)}
end
local ticket, rank = 0, -1
if ARGV[3] ~= '' then
  ticket = enqueue(ARGV[4], ARGV[3])
  rank = redis.call('ZRANK', KEYS[2], ARGV[4])
end
local one = first()
local holder = one[1] and redis.call('HGET', KEYS[3], 's' .. one[1]) or ''
return {0, one[2] and one[2] - now or -2, now, ticket, rank, holder,
  tonumber(redis.call('HGET', KEYS[3], '#' .. holder) or 0), other, server}
