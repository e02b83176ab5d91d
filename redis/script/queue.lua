-- The queue, which both families share. Needs at and now.
-- A record is inst|seq|mode|limit|push; its score is its ticket, the server's
-- time in microseconds at which it arrived, made to grow: the order of service.
-- The hash of waiters holds, for each process that waits, the time until which
-- it is taken for alive, and a + if it has said that it listens.
local ticks, spare = at[1] * 1000000 + at[2], @DEAD@
local function live(inst)
  local till = redis.call('HGET', KEYS[4], inst)
  return till and tonumber(string.match(till, '%d+')) > now
end
local function listens(inst)
  return string.sub(redis.call('HGET', KEYS[4], inst) or '', -1) == '+'
end
-- PEXPIRE first: a server without memory refuses HSET as the first write only,
-- and those who wait already must not lose their places to that. Nor must they to one
-- whose wait lease is shorter: the keys' own time is never made shorter.
local function attend(inst, listening)
  local ms = math.max(redis.call('PTTL', KEYS[2]), @WAIT@ * 4)
  redis.call('PEXPIRE', KEYS[2], ms)
  redis.call('HSET', KEYS[4], inst, now + @WAIT@ .. (listening and '+' or ''))
  redis.call('PEXPIRE', KEYS[4], ms)
end
-- The first write is the one that a server without memory refuses, so a refusal
-- leaves nothing behind.
local function enqueue(record, ticket)
  local place = redis.call('ZSCORE', KEYS[2], record)
  if not place then
    place = tonumber(ticket)
    if place == 0 then
      local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
      place = ticks
      if last and tonumber(last) >= place then place = last + 1 end
    end
    redis.call('ZADD', KEYS[2], place, record)
  end
  local inst, push = string.match(record, '^([^|]+).*|(%d)$')
  attend(inst, push == '1')
  return tonumber(place)
end
-- Returns how many subscriptions to the process's channel this server has, or nil
-- if that may not be asked.
local function subscriptions(inst)
  return tonumber(redis.pcall('PUBSUB', 'NUMSUB', '@CHANNEL@' .. inst)[2])
end
-- Reports whether it is certain that a process is dead, and then forgets it: it has
-- no subscription, and had one when it last spoke up. That is asked before anything
-- is published, and not seen by how many PUBLISH has reached: a grant that was
-- published arrives wherever this server passes messages on to, such as at a process
-- whose subscription has stayed with the old master, now a replica. So what is not
-- granted is never told, and one who is told may rely on it.
local function vanished(inst)
  if not (@TRUST@ and listens(inst) and subscriptions(inst) == 0) then return false end
  redis.call('HDEL', KEYS[4], inst)
  spare = spare - 1
  return true
end
-- Returns the first waiter whose process may live, and removes those before it. One
-- script removes so many at most, to spare the others; the next one goes on where it
-- stopped, and until then nobody takes what somebody behind them waits for.
local function head()
  local many = 1
  while spare > 0 do
    local records = redis.call('ZRANGE', KEYS[2], 0, math.min(many, spare) - 1)
    for i, record in ipairs(records) do
      local inst, seq, mode, limit = string.match(record, '^([^|]+)|([^|]+)|(%a)|(%d+)|')
      if inst and live(inst) then
        if i > 1 then redis.call('ZREM', KEYS[2], unpack(records, 1, i - 1)) end
        spare = spare - i + 1
        return record, inst, seq, mode, tonumber(limit)
      end
    end
    if not records[1] then return end
    redis.call('ZREM', KEYS[2], unpack(records))
    many, spare = @BOUND@, spare - #records
  end
end
-- Tells a waiter of its grant, which stands. Who cannot hear of it finds it by
-- polling. An error of PUBLISH (no permission) must not end a script that has
-- written.
local function tell(inst, seq, fence)
  redis.pcall('PUBLISH', '@CHANNEL@' .. inst,
    string.format('G|%s|%.0f|%.0f|@CLAIM@|%s', seq, fence, now, KEYS[1]))
end
-- Nobody waits: nothing needs to be known of those who did.
local function tidy()
  if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('DEL', KEYS[4]) end
end
