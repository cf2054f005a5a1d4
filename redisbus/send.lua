-- Stores commands and publishes those that are new. The sorted set KEYS[1] holds the texts of
-- commands, with the times in milliseconds until which they are stored. Only Redis' clock
-- counts, so that an instance with a wrong clock does not remove commands of others.
--
-- ARGV: the channel, the maximum number of stored commands, and for each command its time
-- (0: it is not stored) and its text. Returns the number of commands that were refused because
-- too many are stored.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local refused = 0
for i = 3, #ARGV, 2 do
  local new = true
  if ARGV[i] ~= '0' then
    new = redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) == 1
    if new and redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[2]) then
      redis.call('ZREM', KEYS[1], ARGV[i + 1])
      new, refused = false, refused + 1
    end
  end
  if new then redis.call('PUBLISH', ARGV[1], ARGV[i + 1]) end
end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] then
  local latest = 253402300799999 -- the year 9999; a score may be infinite if others have written it
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(tonumber(last[2]) or latest, latest)))
end
return refused
