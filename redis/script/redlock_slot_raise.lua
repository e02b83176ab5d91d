-- Writes a fencing token back to a server whose vote its holder has. Others hold
-- at the same time, so one may have drawn or stored that token here: then this
-- one gets a greater one instead.
-- KEYS   1 state  2 register
-- ARGV   1 token  2 mode  3 fence
-- reply  the fence that is stored for the token now, 0 if it does not hold
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local slot = redis.call('HGET', KEYS[2], ARGV[1])
local till = slot and redis.call('ZSCORE', KEYS[1], slot)
if not till or tonumber(till) <= now then return 0 end
local fence, mine = tonumber(ARGV[3]), tonumber(redis.call('HGET', KEYS[2], '#' .. ARGV[1]) or 0)
if mine == fence then return fence end
fence = math.max(fence, tonumber(redis.call('HGET', KEYS[2], 'f') or 0) + 1)
redis.call('HSET', KEYS[2], 'f', fence, '#' .. ARGV[1], fence)
redis.call('PEXPIRE', KEYS[2], @RETENTION@)
return fence
