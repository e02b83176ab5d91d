-- Renews locks. A lock that is gone is not made again. PEXPIRE works on a server
-- that refuses to use more memory.
-- KEYS   the states
-- ARGV   their tokens
-- reply  per lock 1, or 0 if the token does not hold it
local reply = {}
for i = 1, #KEYS do
  reply[i] = 0
  if redis.pcall('GET', KEYS[i]) == ARGV[i] then reply[i] = redis.call('PEXPIRE', KEYS[i], @LEASE@) end
end
return reply
