-- Writes a fencing token back to a server whose vote its holder has.
-- KEYS   1 state  2 fence
-- ARGV   1 token  2 mode  3 fence
-- reply  the fence if it is stored now, 0 if the token does not hold the lock
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(redis.call('GET', KEYS[2]) or 0) < tonumber(ARGV[3]) then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', @RETENTION@)
end
return tonumber(ARGV[3])
