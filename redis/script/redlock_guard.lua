-- Refuses to vote for as long as this server may have forgotten a vote. Needs at,
-- now, the guard as KEYS[5], and a random name for this server, in case it has
-- none, as guardian.
-- A server without a guard has no memory: it is new, or was restarted without its
-- data. Each vote that it may have given ends within a lease from now.
local guard = redis.call('GET', KEYS[5])
local server, opens = string.match(guard or '', '^([^|]*)|(%d+)$')
if not opens then
  server, opens = guardian, string.format('%.0f', now + math.ceil(@LEASE@ * 1.01) + 2)
  redis.call('SET', KEYS[5], server .. '|' .. opens)
end
if now < tonumber(opens) then return {-3, opens - now, now, server} end
-- Draws a fencing token: the one that the client proposes, which is within a
-- quarter of a lease of the time here, or one more than the last.
local function choose(last, proposal)
  local ticks = at[1] * 1000000 + at[2]
  local fence = math.min(math.max(tonumber(proposal), ticks - @LEASE@ * 250), ticks + @LEASE@ * 250)
  if last and tonumber(last) >= fence then fence = last + 1 end
  return fence
end
