-- Speaks for all waiters of one process: keeps their places, repairs a queue that
-- stands still, and tells how each of them stands. With a number it also sends
-- that to the process's own channel, to prove that messages arrive.
-- KEYS   1 state  2 queue  3 fence  4 waiters
-- ARGV   1 inst  2 number of the probe or ''  3 '1' if it listens  4... records
-- reply  {ms to the end of the lease, now, receivers of the probe (-1 not
--         asked, -2 not permitted),
--         then per record its fence if it holds the lock, else -1 - rank,
--         or 0 if it is not known here, and after all of them a 1 if the holder
--         speaks another dialect, and so will hand over to nobody}
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@lock_queue
--@probe
if redis.call('EXISTS', KEYS[2]) == 1 then attend(ARGV[1], ARGV[3] == '1') end
local holder = redis.call('GET', KEYS[1])
if not holder then
  promote()
  holder = redis.call('GET', KEYS[1])
end
local reply = {redis.call('PTTL', KEYS[1]), now, probe()}
for i = 4, #ARGV do
  local state, rank = 0, redis.call('ZRANK', KEYS[2], ARGV[i])
  if rank then
    state = -1 - rank
  elseif holder and holder == string.match(ARGV[i], '^[^|]+|[^|]+') then
    state = tonumber(redis.call('GET', KEYS[3]) or 0)
    if state == 0 then state = draw() end
  end
  reply[i] = state
end
if holder and not string.find(holder, '|', 1, true) then reply[#reply + 1] = 1 end
return reply
