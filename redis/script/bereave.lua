-- Tells a process that its hold has been broken. A holder that speaks another
-- dialect has no channel.
local function bereave(token)
  local inst, seq = string.match(token, '^(%x+)|(%w+)$')
  if inst then redis.pcall('PUBLISH', '@CHANNEL@' .. inst, 'L|' .. seq) end
end
