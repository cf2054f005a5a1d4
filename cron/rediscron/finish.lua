-- Records how a run ended. KEYS: claims. ARGV: instant, fencing number, outcome,
-- duration in microseconds.
for _, known in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])) do
  local fields = {}
  for field in string.gmatch(known, '%S+') do fields[#fields + 1] = field end
  if fields[2] == ARGV[2] and #fields == 5 then
    -- In this order, so that an error between the two cannot make the instant unclaimed.
    redis.call('ZADD', KEYS[1], ARGV[1], known .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
    redis.call('ZREM', KEYS[1], known)
    return 1
  end
end
return 0
