-- Notes which process Redis is, in the life key of every tag.
-- KEYS: every life key
-- ARGV: restore window in ms
-- Returns: run_id, the rest of the window in ms, the time of Redis in ms

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local time = now()
local latest = 0
local changed = {}
for index, stored in ipairs(redis.call('MGET', unpack(KEYS))) do
  local life, since = string.match(stored or '', '^(%S+) (%d+)$')
  if life == run then
    latest = math.max(latest, tonumber(since))
  else
    latest = time
    changed[#changed + 1] = KEYS[index]
    changed[#changed + 1] = run .. ' ' .. text(time)
  end
end
if #changed > 0 then
  redis.call('MSET', unpack(changed))
end
return {run, math.max(0, latest + ARGV[1] - time), time}
