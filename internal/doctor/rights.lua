-- Runs the commands of send.lua in package redisbus so that they change nothing: on a member
-- that does not exist, and for a range that is empty. KEYS[1] is the sorted set of stored
-- commands.
--
-- ARGV: a text that is not a stored command. Returns the name of each command that failed,
-- followed by its error.
local failures = {}
local function try(name, ...)
  local reply = redis.pcall(name, ...)
  if type(reply) == 'table' and reply.err then
    failures[#failures + 1] = name
    failures[#failures + 1] = reply.err
    return nil
  end
  return reply
end
try('TIME')
local size = try('ZCARD', KEYS[1])
try('ZADD', KEYS[1], 'XX', '1', ARGV[1])
try('ZREM', KEYS[1], ARGV[1])
try('ZREMRANGEBYSCORE', KEYS[1], '1', '0')
local last = try('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if size == 0 then
  try('PEXPIREAT', KEYS[1], '1') -- there is no key that could expire
elseif last and last[2] then
  -- What send.lua has set: the key expires with the last command.
  local latest = 253402300799999
  try('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(tonumber(last[2]) or latest, latest)))
end
return failures
