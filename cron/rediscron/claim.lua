-- Claims the run of an instant.
-- KEYS: state, claims. ARGV: instant (0: a run without one, -1: a query only), token, node,
-- behind, durable, how many claims to keep, how many milliseconds to keep unused keys;
-- and, from a process that has just started, how many seconds ago it did, its schedule and
-- its target. Returns the verdict, the fencing number, the time in microseconds, the time up
-- to which everything is settled, and the schedule and target stored before.
local at, token = tonumber(ARGV[1]), ARGV[2]
local t = redis.call('TIME')
local now = tonumber(t[1])
local micros = now * 1000000 + tonumber(t[2])
local function num(n) return string.format('%.0f', n) end

local s = redis.call('HMGET', KEYS[1], 'floor', 'fence', 'newest', 'last', 'seen', 'run', 'schedule', 'target')
local floor, fence = tonumber(s[1] or 0), tonumber(s[2] or 0)
local newest, last, seen = tonumber(s[3] or 0), tonumber(s[4] or 0), tonumber(s[5] or 0)

-- Identifies this start of Redis. Without the right to INFO, restarts are not detected.
local run = ''
local info = redis.pcall('INFO', 'server')
if type(info) == 'string' then
  run = string.match(info, 'run_id:(%x+)') or ''
end
if not s[1] then
  -- New, or lost: instants up to now may have been granted before.
  floor, fence = now, micros
elseif ARGV[5] == '0' and s[6] ~= run then
  -- A restart or a failover may have lost the newest grants. The two cannot be told apart: a
  -- replica that was started after the last call that it knows of looks like the same Redis
  -- after a restart, while its predecessor has continued. So no instant up to now is granted.
  floor, fence = math.max(floor, now, seen), math.max(fence, micros)
end

local verdict, number = 1, nil -- granted, with a new number or an earlier one
if at == 0 then
  fence = fence + 1
elseif at > 0 then
  local known = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], ARGV[1])[1]
  if known then
    local f, holder = string.match(known, '^%d+ (%d+) (%S+)')
    if holder == token then number = f else verdict = 2 end -- taken
  elseif at > now then
    verdict = 3 -- too early
  elseif at <= floor then
    verdict = 4 -- forgotten
  else
    fence = fence + 1
    newest = math.max(newest, at)
    -- This comes first, so that no number is used twice if the user may not run the rest.
    redis.call('HSET', KEYS[1], 'fence', num(fence))
    redis.call('ZADD', KEYS[2], ARGV[1], table.concat({ARGV[1], num(fence), token, ARGV[3], num(micros)}, ' '))
    local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[6])
    if over > 0 then
      local highest = redis.call('ZRANGE', KEYS[2], over - 1, over - 1, 'WITHSCORES')
      floor = math.max(floor, tonumber(highest[2]))
      redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
    end
  end
  if ARGV[4] == '0' then last = math.max(last, newest) end
elseif ARGV[8] then
  -- Instants left by another schedule are settled: this schedule did not exist yet.
  if s[7] and s[7] ~= ARGV[9] then last = math.max(last, now - tonumber(ARGV[8])) end
  redis.call('HSET', KEYS[1], 'schedule', ARGV[9], 'target', ARGV[10])
end
redis.call('HSET', KEYS[1], 'floor', num(floor), 'fence', num(fence), 'newest', num(newest),
  'last', num(last), 'seen', num(now), 'run', run)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return {verdict, number or num(fence), num(micros), num(last), s[7] or '', s[8] or ''}
