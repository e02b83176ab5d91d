-- Several releases and acquires of locks in one call, because to call a script
-- costs the server as much as what it does for one of them. Each is what its own
-- script is, and ends by itself: what fails, by an error that says nothing of the
-- others, is sent once more alone, to learn why.
-- KEYS   the four of each release, then those of each acquire
-- ARGV   1 last server time, in ms, at which to execute the acquires
--        2 number of releases, then for each its token
--        then for each acquire 1 token  2 ticket  3 record
-- reply  per release and per acquire what its own script replies; null: it failed
local at = redis.call('TIME')
local clock = at[1] * 1000000 + at[2]
local now = math.floor(clock / 1000)
local function release(KEYS, ARGV)
--@lock_release
end
local function acquire(KEYS, ARGV)
--@lock_take
end
local keys, args, reply = KEYS, ARGV, {}
local releases, late = tonumber(args[2]), now > tonumber(args[1])
local arg = 3
for i = 1, #keys / 4 do
  local k, ok, answer = 4 * i - 3, true, {-1, 0, now}
  if i <= releases then
    ok, answer = pcall(release, {keys[k], keys[k + 1], keys[k + 2], keys[k + 3]}, {args[arg]})
    arg = arg + 1
  else
    if not late then
      ok, answer = pcall(acquire, {keys[k], keys[k + 1], keys[k + 2], keys[k + 3]}, {args[arg], '', args[arg + 1], args[arg + 2]})
    end
    arg = arg + 3
  end
  reply[i] = ok and answer
end
return reply
