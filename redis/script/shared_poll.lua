-- Speaks for all waiters of one process: keeps their places, repairs a queue that
-- stands still, and tells how each of them stands. With a number it also sends
-- that to the process's own channel, to prove that messages arrive.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   1 inst  2 number of the probe or ''  3 '1' if it listens  4... records
-- reply  {ms to the next deadline, now, receivers of the probe (-1 not asked, -2
--         not permitted), then per record its fence if it holds, else -1 - rank,
--         or 0 if it is not known here, and the ms that a holder has left}
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@shared_queue
--@probe
if redis.call('EXISTS', KEYS[2]) == 1 then attend(ARGV[1], ARGV[3] == '1') end
promote()
local one = first()
local reply = {one[2] and one[2] - now or -2, now, probe()}
for i = 4, #ARGV do
  local state, left, rank = 0, 0, redis.call('ZRANK', KEYS[2], ARGV[i])
  if rank then
    state = -1 - rank
  else
    local token, mode = string.match(ARGV[i], '^([^|]+|[^|]+)|(%a)')
    local till = redis.call('ZSCORE', KEYS[1], mode .. '|' .. token)
    if till and tonumber(till) > now then
      left = till - now
      state = tonumber(redis.call('HGET', KEYS[3], token) or 0)
      if state == 0 then state = draw(token) end
    end
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = left
end
return reply
