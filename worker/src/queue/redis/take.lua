-- The first tokens.      KEYS  as in look.lua      ARGV  1 how many
local tokens = redis.call('lrange', KEYS[1], 0, ARGV[1] - 1)
redis.call('ltrim', KEYS[1], ARGV[1], -1)
return tokens
