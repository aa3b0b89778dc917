-- Window::take of window.rs, for api processes that share their counts. The time is the caller's.
-- KEYS: the key. ARGV: now and the window in milliseconds, the quota.
local now, window, quota = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'number', 'previous', 'current')
local number, previous, current = tonumber(kept[1] or 0), tonumber(kept[2] or 0), tonumber(kept[3] or 0)

local under_way = math.floor(now / window)
if under_way == number + 1 then
    number, previous, current = under_way, current, 0
elseif under_way > number then
    number, previous, current = under_way, 0, 0
elseif under_way < number - 1 then
    number, previous = under_way, 0
end

local elapsed = math.max(now - number * window, 0)
local admitted = 0
if previous * (window - elapsed) + (current + 1) * window <= quota * window then
    admitted, current = 1, current + 1
end
-- Also after a refusal: the window may have moved on, and a clock that is behind must find it there.
redis.call('HSET', KEYS[1], 'number', number, 'previous', previous, 'current', current)
-- After this window and the next one it says nothing any more.
redis.call('PEXPIRE', KEYS[1], 2 * window)
return {admitted, number, previous, current}
