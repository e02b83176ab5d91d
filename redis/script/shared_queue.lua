--@queue
-- The state is a set of holders, mode|inst|seq, each with its deadline. The
-- register is a hash: f, the last fencing token; l, the limit last used; and the
-- token of each holder. A holder whose deadline has passed counts for nothing,
-- removed or not.
local function draw(token)
  local fence = ticks
  local last = redis.call('HGET', KEYS[3], 'f')
  if last and tonumber(last) >= fence then fence = last + 1 end
  redis.call('HSET', KEYS[3], 'f', fence, token, fence)
  redis.call('PEXPIRE', KEYS[3], @RETENTION@)
  return fence
end
-- Sets a deadline and lets the key outlive it: the key ends by itself when all
-- holders have died, and never before one of them. The first write is ZADD, which
-- a server without memory refuses.
local function hold(mode, token, ms)
  redis.call('ZADD', KEYS[1], now + ms, mode .. '|' .. token)
  if redis.call('PTTL', KEYS[1]) < ms + 1000 then redis.call('PEXPIRE', KEYS[1], ms + 1000) end
end
local function purge()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, @BOUND@)) do
    redis.call('ZREM', KEYS[1], member)
    redis.call('HDEL', KEYS[3], string.sub(member, 3))
  end
end
local function first()
  return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
end
-- Reports whether one more holder fits: a writer alone, readers together, permits
-- up to the limit (0: no limit).
local function fits(mode, limit)
  local other = first()[1]
  if not other then return true end
  if mode == 'w' or string.sub(other, 1, 1) == 'w' then return false end
  return limit == 0 or redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now), '+inf') < limit
end
-- Admits waiters from the head of the queue for as long as they fit, each for the
-- time in which it must confirm. A head that does not fit stops all behind it:
-- that is what keeps a writer from starving.
local function promote()
  purge()
  local grants = 0
  while grants < @GRANTS@ do
    local record, inst, seq, mode, limit = head()
    if not (record and fits(mode, limit)) then break end
    redis.call('ZREM', KEYS[2], record)
    if not vanished(inst) then
      local token = inst .. '|' .. seq
      hold(mode, token, @CLAIM@)
      tell(inst, seq, draw(token))
      grants = grants + 1
    end
  end
  tidy()
end
