-- A worker ends; the last one takes every token with it, so that none waits for nobody.
-- KEYS  as in look.lua      ARGV  1 the worker
redis.call('zrem', KEYS[3], ARGV[1])
redis.call('hdel', KEYS[4], ARGV[1])
if redis.call('get', KEYS[5]) == ARGV[1] then redis.call('del', KEYS[5]) end
if redis.call('zcard', KEYS[3]) > 0 then return {} end
local tokens = redis.call('lrange', KEYS[1], 0, -1)
redis.call('del', KEYS[1])
return tokens
