-- Lets a server vote at once.
-- KEYS   1 guard
-- ARGV   1 a random name for the server, in case it has none
-- reply  the name of the server
local server = string.match(redis.call('GET', KEYS[1]) or '', '^([^|]*)|%d+$') or ARGV[1]
redis.call('SET', KEYS[1], server .. '|0')
return server
