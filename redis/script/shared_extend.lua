-- Renews permits, readers and writers. One that is gone, or whose deadline has
-- passed, is not made again: another may have been admitted in its place.
-- A server without memory refuses ZADD unless the script has written before, so
-- PEXPIRE, which it never refuses, comes first: the new deadline takes no memory.
-- KEYS   a state and its register, for each hold
-- ARGV   per hold its member mode|inst|seq
-- reply  per hold 1, or 0 if it does not hold
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local reply = {}
for i = 1, #ARGV do
  reply[i] = 0
  local state = KEYS[2 * i - 1]
  local till = redis.pcall('ZSCORE', state, ARGV[i])
  if type(till) == 'string' and tonumber(till) > now then
    redis.call('PEXPIRE', state, math.max(redis.call('PTTL', state), @LEASE@ + 1000))
    redis.call('ZADD', state, 'XX', now + @LEASE@, ARGV[i])
    if redis.call('PTTL', KEYS[2 * i]) < @RETENTION@ / 2 then redis.call('PEXPIRE', KEYS[2 * i], @RETENTION@) end
    reply[i] = 1
  end
end
return reply
