-- Sends the number of the probe to the process's own channel, and returns how many
-- subscriptions to it count for those who hand over. PUBLISH also counts those to
-- patterns, which are somebody else's.
local function probe()
  if ARGV[2] == '' then return -1 end
  local n = redis.pcall('PUBLISH', '@CHANNEL@' .. ARGV[1], 'P|' .. ARGV[2])
  if type(n) ~= 'number' then return -2 end
  return subscriptions(ARGV[1]) or n
end
