-- Speaks for all waiters of one process, as lock_poll does for those of a lock.
-- KEYS   1 state  2 queue  3 register  4 waiters
-- ARGV   1 inst  2 number of the probe or ''  3 '1' if it listens  4... records
-- reply  {ms to the next deadline, now, receivers of the probe (-1 not asked, -2
--         not permitted), then per record 1 + its slot if it holds one, else
--         -1 - rank, or 0 if it is not known here}
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
--@redlock_slot_queue
--@probe
if redis.call('EXISTS', KEYS[2]) == 1 then attend(ARGV[1], ARGV[3] == '1') end
promote()
local one = first()
local reply = {one[2] and one[2] - now or -2, now, probe()}
for i = 4, #ARGV do
  local state, rank = 0, redis.call('ZRANK', KEYS[2], ARGV[i])
  if rank then
    state = -1 - rank
  else
    local slot = slotOf(string.match(ARGV[i], '^[^|]+|[^|]+'))
    if slot then state = 1 + slot end
  end
  reply[#reply + 1] = state
end
return reply
