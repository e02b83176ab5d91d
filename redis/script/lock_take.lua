-- What lock_acquire does in time, for KEYS and ARGV as there; it needs at, clock and
-- now, and does not look at the time limit.
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
if not holder and redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', @LEASE@)
  return {1, draw(), now}
end
local ticket, rank = 0, -1
if ARGV[3] ~= '' then
  ticket = enqueue(ARGV[4], ARGV[3])
  rank = redis.call('ZRANK', KEYS[2], ARGV[4])
end
return {0, redis.call('PTTL', KEYS[1]), now, ticket, rank, holder or '', tonumber(redis.call('GET', KEYS[3]) or 0)}
