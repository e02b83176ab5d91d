-- Renews slots. One that is gone, or whose deadline has passed, is not made again.
-- A key of another type is not ours any more; any other error says nothing of the
-- hold, and is the script's.
-- KEYS   a state and its register, for each hold
-- ARGV   per hold its mode|inst|seq
-- reply  per hold 1, or 0 if it does not hold
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local reply = {}
local function read(...)
  local got = redis.pcall(...)
  if type(got) ~= 'table' or string.sub(got.err, 1, 9) == 'WRONGTYPE' then return got end
  return redis.call(...)
end
for i = 1, #ARGV do
  reply[i] = 0
  local state, register, token = KEYS[2 * i - 1], KEYS[2 * i], string.sub(ARGV[i], 3)
  local slot = read('HGET', register, token)
  local till = type(slot) == 'string' and read('ZSCORE', state, slot)
  if type(till) == 'string' and tonumber(till) > now and redis.call('HGET', register, 's' .. slot) == token then
    redis.call('PEXPIRE', state, math.max(redis.call('PTTL', state), @LEASE@ + 1000))
    redis.call('ZADD', state, 'XX', now + @LEASE@, slot)
    redis.call('PEXPIRE', register, @RETENTION@)
    reply[i] = 1
  end
end
return reply
