--@queue
-- Draws the next fencing token: the clock, or one more than the last token if the
-- clock is behind it. Tokens so go on growing when the register is lost.
local function draw()
  local fence = ticks
  local last = redis.call('GET', KEYS[3])
  if last and tonumber(last) >= fence then fence = last + 1 end
  redis.call('SET', KEYS[3], fence, 'PX', @RETENTION@)
  return fence
end
-- Gives the free lock to the first waiter that lives, for the time in which it
-- must confirm.
local function promote()
  while true do
    local record, inst, seq = head()
    if not record then break end
    redis.call('ZREM', KEYS[2], record)
    if not vanished(inst) then
      redis.call('SET', KEYS[1], inst .. '|' .. seq, 'PX', @CLAIM@)
      tell(inst, seq, draw())
      break
    end
  end
  tidy()
end
