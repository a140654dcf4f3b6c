-- Reads a room, and begins it if there is none.
-- KEYS: life, room, log, clients, speakers
-- ARGV: 1 life, 2 restore window in ms, 3 time to live in ms, 4 age of the history in ms,
--   5 epoch that begins, or empty, 6 epoch and 7 offset of the position that is known, or empty
-- Returns: {'life'} | {'none'} | {'wait', ms}
--   | {'room', rest of the window in ms, fields of the room, payloads, clients, speakers}

local life, since = read_life(KEYS[1])
if life ~= ARGV[1] then
  return {'life'}
end
local time = now()
local rest = math.max(0, since + ARGV[2] - time)

local fields = redis.call('HGETALL', KEYS[2])
if #fields == 0 then
  if ARGV[5] == '' then
    return {'none'}
  end
  if rest > 0 then
    return {'wait', rest}
  end
  fields = {'epoch', ARGV[5], 'top', '0', 'life', life, 'forks', '', 'cost', '0', 'base', '0'}
  redis.call('HSET', KEYS[2], unpack(fields))
  redis.call('DEL', KEYS[3])
end
local room = {}
for index = 1, #fields, 2 do
  room[fields[index]] = fields[index + 1]
end

-- Batches whose last message is too old, at most 1,000 in a call.
local old
for _ = 1, 10 do
  local first = redis.call('XRANGE', KEYS[3], old and '(' .. old or '-', '+', 'COUNT', old and 100 or 1)
  local is_young = #first == 0
  for _, entry in ipairs(first) do
    is_young = entry[2][6] + ARGV[4] > time
    if is_young then
      break
    end
    old = entry[1]
  end
  if is_young then
    break
  end
end
if old then
  redis.call('XTRIM', KEYS[3], 'MINID', '=', text(string.match(old, '%d+') + 1))
end

local from = '-'
if ARGV[6] ~= '' then
  local known, top = tonumber(ARGV[7]), nil
  if ARGV[6] == room.epoch then
    top = tonumber(room.top)
  else
    top = tonumber(string.match(' ' .. room.forks, ' ' .. ARGV[6] .. '%-(%d+)') or -1)
  end
  if known <= top then
    from = text(known + 1)
  end
end
local payloads = {}
for index, entry in ipairs(redis.call('XRANGE', KEYS[3], from, '+')) do
  payloads[index] = entry[2][2]
end
for index = 2, 5 do
  redis.call('PEXPIRE', KEYS[index], ARGV[3])
end
return {'room', rest, fields, payloads, redis.call('HGETALL', KEYS[4]), redis.call('HKEYS', KEYS[5])}
