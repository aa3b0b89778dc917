-- A worker tells what it has under way and hears how much it may claim for all of them, if that is its turn.
-- KEYS  1 tokens  2 flights  3 workers  4 closed  5 claimer  6 again
-- ARGV  1 the worker, with its places  2 what it keeps closed  3 whether it wants to claim  4 how many have ended
--       5… those, then what has begun
local me, last = ARGV[1], 4 + tonumber(ARGV[4])
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 5, last do redis.call('zrem', KEYS[2], ARGV[at]) end
for at = last + 1, #ARGV do redis.call('zadd', KEYS[2], now + 5000, ARGV[at]) end
redis.call('zadd', KEYS[3], now + 5000, me)
if ARGV[2] == '' then redis.call('hdel', KEYS[4], me) else redis.call('hset', KEYS[4], me, ARGV[2]) end
redis.call('zremrangebyscore', KEYS[2], '-inf', now)
redis.call('zremrangebyscore', KEYS[3], '-inf', now)
-- Behind a Redis whose clock was ahead by more than a correction, nothing true ends later than this.
redis.call('zremrangebyscore', KEYS[2], '(' .. (now + 10000), '+inf')
redis.call('zremrangebyscore', KEYS[3], '(' .. (now + 10000), '+inf')
for at = 1, 4 do redis.call('pexpire', KEYS[at], 60000) end

local waiting = redis.call('llen', KEYS[1])
if ARGV[3] == '0' then return {waiting, 0, {}, {}} end
-- Whoever claims already will look once more.
if not redis.call('set', KEYS[5], me, 'nx', 'px', 1000) then
    redis.call('set', KEYS[6], me, 'px', 1000)
    return {waiting, 0, {}, {}}
end
redis.call('del', KEYS[6])

local places, living = 0, {}
for _, worker in ipairs(redis.call('zrange', KEYS[3], 0, -1)) do
    living[worker] = true
    places = places + (tonumber(string.match(worker, ' (%d+)$')) or 0)
end
local flights = redis.call('zrange', KEYS[2], 0, -1)
local room = places - math.max(#flights, waiting)
if room <= 0 then
    redis.call('del', KEYS[5])
    return {waiting, 0, {}, {}}
end

local webhooks, tenants = {}, {}
for _, flight in ipairs(flights) do
    local tenant, webhook = string.match(flight, '^([^/]+)/([^/]+)/')
    if tenant then
        tenants[tenant] = (tenants[tenant] or 0) + 1
        webhooks[webhook] = (webhooks[webhook] or 0) + 1
    end
end
-- Of what several workers keep closed of one webhook the most counts.
local closed = redis.call('hgetall', KEYS[4])
local most = {}
for at = 1, #closed, 2 do
    if living[closed[at]] then
        for webhook, count in string.gmatch(closed[at + 1], '(%S+)=(%d+)') do
            most[webhook] = math.max(most[webhook] or 0, tonumber(count))
        end
    else
        redis.call('hdel', KEYS[4], closed[at])
    end
end
for webhook, count in pairs(most) do webhooks[webhook] = (webhooks[webhook] or 0) + count end
local function flat(counts)
    local list = {}
    for key, count in pairs(counts) do
        list[#list + 1] = key
        list[#list + 1] = count
    end
    return list
end
return {waiting, room, flat(webhooks), flat(tenants)}
