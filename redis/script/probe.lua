-- Sends the number of the probe to the process's own channel.
local function probe()
  if ARGV[2] == '' then return -1 end
  local n = redis.pcall('PUBLISH', '@CHANNEL@' .. ARGV[1], 'P|' .. ARGV[2])
  return type(n) == 'number' and n or -2
end
