-- Renews slots. One that is gone, or whose deadline has passed, is not made again.
-- KEYS   a state and its register, for each hold
-- ARGV   per hold its mode|inst|seq
-- reply  per hold 1, or 0 if it does not hold
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local reply = {}
for i = 1, #ARGV do
  reply[i] = 0
  local state, register, token = KEYS[2 * i - 1], KEYS[2 * i], string.sub(ARGV[i], 3)
  local slot = redis.pcall('HGET', register, token)
  local till = type(slot) == 'string' and redis.pcall('ZSCORE', state, slot)
  if type(till) == 'string' and tonumber(till) > now and redis.call('HGET', register, 's' .. slot) == token then
    redis.call('PEXPIRE', state, math.max(redis.call('PTTL', state), @LEASE@ + 1000))
    redis.call('ZADD', state, 'XX', now + @LEASE@, slot)
    redis.call('PEXPIRE', register, @RETENTION@)
    reply[i] = 1
  end
end
return reply
