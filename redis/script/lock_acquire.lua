-- Takes a lock, or gives its caller a place in the queue. One attempt, whatever
-- its number of deliveries: a token that holds the lock already is granted again.
-- KEYS   1 state (string)  2 queue  3 fence (string)  4 waiters
-- ARGV   1 token inst|seq  2 last server time, in ms, at which to execute this
--        3 '' to try, else the ticket to queue with, '0' for a new one  4 record
-- reply  the fence alone, which is also the time in µs: granted
--        {1, fence, now}  granted
--        {0, ms to the end of the lease, now, ticket, rank, holder, its fence}  held;
--         -2 and '' if nobody holds it, and there are others who came before
--        {-1, 0, now}  too late: nothing was done
-- Every conversion and every table of the first lines is time in which the server
-- serves nobody, which is why they look so.
local at = redis.call('TIME')
local clock = at[1] * 1000000 + at[2]
local now = math.floor(clock / 1000)
if now > tonumber(ARGV[2]) then return {-1, 0, now} end
--@lock_take
