-- Tokens for whoever takes them first, and the end of the worker's turn to claim. Answers whether somebody else wanted
-- it meanwhile.
-- KEYS  as in look.lua      ARGV  1 the worker  2… tokens
local time = redis.call('time')
local until_lost = time[1] * 1000 + math.floor(time[2] / 1000) + 5000
for at = 2, #ARGV do
    redis.call('rpush', KEYS[1], ARGV[at])
    redis.call('zadd', KEYS[2], until_lost, ARGV[at])
end
redis.call('pexpire', KEYS[1], 60000)
if redis.call('get', KEYS[5]) == ARGV[1] then redis.call('del', KEYS[5]) end
return redis.call('del', KEYS[6])
