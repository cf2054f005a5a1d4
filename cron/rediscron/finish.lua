-- Notes how a run ended. KEYS: claims. ARGV: instant, fencing number, outcome,
-- duration in microseconds.
for _, known in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])) do
  local fields = {}
  for field in string.gmatch(known, '%S+') do fields[#fields + 1] = field end
  if fields[2] == ARGV[2] and #fields == 5 then
    redis.call('ZREM', KEYS[1], known)
    redis.call('ZADD', KEYS[1], ARGV[1], known .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
    return 1
  end
end
return 0
