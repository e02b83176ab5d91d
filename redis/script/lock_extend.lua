-- Renews locks. A lock that is gone is not made again. PEXPIRE works on a server
-- that refuses to use more memory. A key of another type is not ours any more; any
-- other error says nothing of the lock, and is the script's.
-- KEYS   the states
-- ARGV   their tokens
-- reply  per lock 1, or 0 if the token does not hold it
local reply = {}
for i = 1, #KEYS do
  reply[i] = 0
  local holder = redis.pcall('GET', KEYS[i])
  if type(holder) == 'table' and string.sub(holder.err, 1, 9) ~= 'WRONGTYPE' then
    redis.call('GET', KEYS[i])
  end
  if holder == ARGV[i] then reply[i] = redis.call('PEXPIRE', KEYS[i], @LEASE@) end
end
return reply
