-- Renews permits, readers and writers. One that is gone, or whose deadline has
-- passed, is not made again: another may have been admitted in its place.
-- A server without memory refuses ZADD unless the script has written before, so
-- PEXPIRE, which it never refuses, comes first: the new deadline takes no memory.
-- Later on the key's own time matters only for what nobody renews, and is seldom
-- set: it is never shorter than two leases here, and never made shorter.
-- A key of another type is not ours any more; any other error says nothing of the
-- hold, and is the script's.
-- KEYS   a state and its register, for each hold
-- ARGV   per hold its member mode|inst|seq
-- reply  per hold 1, or 0 if it does not hold
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local reply, written = {}, false
for i = 1, #ARGV do
  reply[i] = 0
  local state = KEYS[2 * i - 1]
  local till = redis.pcall('ZSCORE', state, ARGV[i])
  if type(till) == 'table' and string.sub(till.err, 1, 9) ~= 'WRONGTYPE' then
    redis.call('ZSCORE', state, ARGV[i])
  end
  if type(till) == 'string' and tonumber(till) > now then
    local left = redis.call('PTTL', state)
    if left < @LEASE@ * 2 or not written then
      redis.call('PEXPIRE', state, math.max(left, @LEASE@ * 4))
      redis.call('PEXPIRE', KEYS[2 * i], @RETENTION@)
      written = true
    end
    redis.call('ZADD', state, 'XX', now + @LEASE@, ARGV[i])
    reply[i] = 1
  end
end
return reply
