-- Several releases and acquires of locks in one call. To call a script costs the
-- server as much as what it does for one of them, and each command that a script
-- calls half a microsecond, so what can be asked of many keys at once is. Each
-- part is what its own script is, and ends by itself: where somebody waits or
-- holds, it is done by that script. What fails, by an error that says nothing of
-- the others, is sent once more alone, to learn why.
-- KEYS   states and queues of the releases; states, queues, fences and waiters of
--        the acquires; fences and waiters of the releases
-- ARGV   1 last server time, in ms, at which to execute the acquires
--        2 number of releases  3 of acquires that only try  4 of those that queue
--        and do not listen; the others queue and listen
--        then the token of each
-- reply  the time in µs: it is the fence of all acquires, and all releases held
--        {time, part, answer...}: but for those parts, which got what their own
--        script replies; null: it failed
local at = redis.call('TIME')
local clock = at[1] * 1000000 + at[2]
local now = math.floor(clock / 1000)
local keys, args = KEYS, ARGV
local gives, tries, deaf = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
local takes = #keys / 4 - gives
local reply
local function but(part, ok, answer)
  reply[#reply + 1] = part
  reply[#reply + 1] = ok and answer
end
local function release(KEYS, ARGV)
--@lock_release
end
local function acquire(KEYS, ARGV)
--@lock_take
end
-- What the first lines have seen holds until the first write; the same release may
-- be here twice. So those of locks that nobody waits for come first.
local function giveAll()
  local queues = redis.call('EXISTS', unpack(keys, gives + 1, 2 * gives))
  local holders = redis.call('MGET', unpack(keys, 1, gives))
  local held, awaited = {}, {}
  for i = 1, gives do
    if queues > 0 and redis.call('EXISTS', keys[gives + i]) == 1 then
      awaited[#awaited + 1] = i
    elseif holders[i] == args[4 + i] then
      held[#held + 1] = keys[i]
    else
      but(i, true, 0)
    end
  end
  if held[1] then redis.call('DEL', unpack(held)) end
  local rest = 2 * gives + 4 * takes
  for _, i in ipairs(awaited) do
    local ok, answer = pcall(release, {keys[i], keys[gives + i], keys[rest + i], keys[rest + gives + i]}, {args[4 + i]})
    if answer ~= 1 then but(i, ok, answer) end
  end
end
-- NX tells of a lock that is held, also by an acquire before it in this call.
local function takeAll()
  local s, q, f = 2 * gives, 2 * gives + takes, 2 * gives + 2 * takes
  local queues = redis.call('EXISTS', unpack(keys, q + 1, q + takes))
  local last = redis.call('MGET', unpack(keys, f + 1, f + takes))
  local fence = string.format('%.0f', clock)
  for i = 1, takes do
    local token = args[4 + gives + i]
    if (not last[i] or last[i] - clock < 0) and (queues == 0 or redis.call('EXISTS', keys[q + i]) == 0)
        and redis.call('SET', keys[s + i], token, 'NX', 'PX', '@LEASE@') then
      redis.call('SET', keys[f + i], fence, 'PX', '@RETENTION@')
    else
      local ticket, record = i > tries and '0' or '', token .. '|w|1|' .. (i > tries + deaf and '1' or '0')
      but(gives + i, pcall(acquire, {keys[s + i], keys[q + i], keys[f + i], keys[f + takes + i]}, {token, '', ticket, record}))
    end
  end
end
-- Does all of a kind, the first of which is the part after that many.
local function each(after, count, all)
  local before = #reply
  if count == 0 or pcall(all) then return end
  while #reply > before do reply[#reply] = nil end
  for i = 1, count do but(after + i, false) end
end
reply = {clock}
each(0, gives, giveAll)
if now <= tonumber(args[1]) then
  each(gives, takes, takeAll)
else
  for i = 1, takes do but(gives + i, true, {-1, 0, now}) end
end
return #reply == 1 and clock or reply
