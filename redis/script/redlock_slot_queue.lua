--@queue
-- The permits of a semaphore are slots with numbers, and each is a mutex. The
-- state is a set of the slots that are held, each with its deadline. The register
-- is a hash: f, the last fencing token; l, the limit last used; s<slot>, the
-- holder of each slot; inst|seq, the slot of each holder; #inst|seq, its fence.
local function drop(token)
  local slot = redis.call('HGET', KEYS[3], token)
  redis.call('HDEL', KEYS[3], token, '#' .. token)
  if not slot or redis.call('HGET', KEYS[3], 's' .. slot) ~= token then return 0 end
  redis.call('HDEL', KEYS[3], 's' .. slot)
  return redis.call('ZREM', KEYS[1], slot)
end
local function purge()
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, @BOUND@)) do
    local token = redis.call('HGET', KEYS[3], 's' .. slot)
    if token then drop(token) end
    redis.call('ZREM', KEYS[1], slot)
  end
end
local function taken(slot)
  local till = redis.call('ZSCORE', KEYS[1], slot)
  return till and tonumber(till) > now
end
-- Returns the slot of a holder whose deadline has not passed.
local function slotOf(token)
  local slot = redis.call('HGET', KEYS[3], token)
  if slot and taken(slot) and redis.call('HGET', KEYS[3], 's' .. slot) == token then return slot end
end
local function take(slot, token, ms)
  redis.call('ZADD', KEYS[1], now + ms, slot)
  if redis.call('PTTL', KEYS[1]) < ms + 1000 then redis.call('PEXPIRE', KEYS[1], ms + 1000) end
  redis.call('HSET', KEYS[3], 's' .. slot, token, token, slot)
  redis.call('PEXPIRE', KEYS[3], @RETENTION@)
end
local function fits(limit) return redis.call('ZCARD', KEYS[1]) < limit end
-- Finds a free slot below the limit, from an arbitrary one on. There is one if
-- fewer are held.
local function free(limit)
  local start = ticks % limit
  for i = 0, limit - 1 do
    local slot = string.format('%.0f', (start + i) % limit)
    if not taken(slot) then return slot end
  end
end
local function promote()
  purge()
  local grants = 0
  while grants < @GRANTS@ do
    local record, inst, seq, _, limit = head()
    local slot = record and fits(limit) and free(limit)
    if not slot then break end
    redis.call('ZREM', KEYS[2], record)
    if not vanished(inst) then
      take(slot, inst .. '|' .. seq, @CLAIM@)
      tell(inst, seq, slot + 1)
      grants = grants + 1
    end
  end
  tidy()
end
local function first()
  return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
end
