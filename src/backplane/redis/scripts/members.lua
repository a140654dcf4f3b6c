-- Changes the clients and the speakers that one node has in a room, and publishes the change.
-- KEYS: clients, speakers, rooms of the node
-- ARGV: 1 PUBLISH or SPUBLISH, 2 channel, 3 time to live in ms, 4 room, 5 node, 6 sequence,
--   7 clients of the node, 8 1 if the speakers that joined are all of the node, else 0,
--   9 number of speakers that joined, then these, then those that left
-- Returns: {'done'}
-- A speaker has joined if no node had it before, and has left if no node has it any longer.

local node, clients, joins = ARGV[5], tonumber(ARGV[7]), tonumber(ARGV[9])
local nodes = {} -- of each speaker, as far as read
local changed = {} -- speakers in the order of their change
local before = {} -- the nodes before, of each changed speaker

local function read(speaker)
  if nodes[speaker] == nil then
    nodes[speaker] = redis.call('HGET', KEYS[2], speaker) or ''
  end
  return nodes[speaker]
end
local function write(speaker, list)
  if before[speaker] == nil then
    before[speaker] = nodes[speaker]
    changed[#changed + 1] = speaker
  end
  nodes[speaker] = list
end
local function remove(speaker)
  local rest = {}
  local was = read(speaker)
  for other in string.gmatch(was, '%S+') do
    if other ~= node then
      rest[#rest + 1] = other
    end
  end
  local list = table.concat(rest, ' ')
  if list ~= was then
    write(speaker, list)
  end
end

local stays = {}
for index = 10, 9 + joins do
  local speaker = ARGV[index]
  local list = read(speaker)
  stays[speaker] = true
  if not string.find(list, node, 1, true) then
    write(speaker, list == '' and node or list .. ' ' .. node)
  end
end
if ARGV[8] == '1' then
  local all = redis.call('HGETALL', KEYS[2])
  for index = 1, #all, 2 do
    if not stays[all[index]] and string.find(all[index + 1], node, 1, true) then
      nodes[all[index]] = nodes[all[index]] or all[index + 1]
      remove(all[index])
    end
  end
end
for index = 10 + joins, #ARGV do
  remove(ARGV[index])
end

local joined, left = {}, {}
for _, speaker in ipairs(changed) do
  if before[speaker] == '' and nodes[speaker] ~= '' then
    joined[#joined + 1] = speaker
  elseif before[speaker] ~= '' and nodes[speaker] == '' then
    left[#left + 1] = speaker
  end
end

if clients > 0 then
  redis.call('HSET', KEYS[1], node, ARGV[7]) -- first: it is refused when memory is short
end
for _, speaker in ipairs(changed) do
  if nodes[speaker] == '' then
    redis.call('HDEL', KEYS[2], speaker)
  else
    redis.call('HSET', KEYS[2], speaker, nodes[speaker])
  end
end
local had_clients = true
if clients > 0 then
  redis.call('SADD', KEYS[3], ARGV[4])
else
  had_clients = redis.call('HDEL', KEYS[1], node) == 1
  redis.call('SREM', KEYS[3], ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])

-- Several nodes may remove a dead one: only the first has something to tell.
if ARGV[6] ~= '0' or had_clients or #joined + #left > 0 then
  redis.call(ARGV[1], ARGV[2], 'c' .. node .. ' ' .. ARGV[6] .. ' ' .. ARGV[7] .. ' ' .. #joined .. ' '
    .. #left .. '\n' .. table.concat(joined) .. table.concat(left))
end
return {'done'}
