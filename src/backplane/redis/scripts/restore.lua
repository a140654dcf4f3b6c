-- Gives a room back to Redis as far as Redis has lost it, and publishes the batches.
-- KEYS: life, room, log
-- ARGV: 1 life, 2 PUBLISH or SPUBLISH, 3 channel, 4 time to live in ms, 5 epoch, 6 top, 7 forks,
--   8 most messages of the history, 9 most bytes of the history, 10 number of sequences,
--   then for each: node, sequence; then for each batch, without a gap up to the top:
--   first offset, last offset, node, sequence, epoch, cost, cost without the last message,
--   time of the last message in ms, payload
-- Returns: {'life'} | {'kept'} | {'restored'}

local life = read_life(KEYS[1])
if life ~= ARGV[1] then
  return {'life'}
end
local fields = redis.call('HGETALL', KEYS[2])
local room = {}
for index = 1, #fields, 2 do
  room[fields[index]] = fields[index + 1]
end
local is_new = not room.epoch
local had = is_new and -1 or tonumber(room.top)
if not is_new and (room.epoch ~= ARGV[5] or room.life == life or tonumber(ARGV[6]) <= had) then
  return {'kept'}
end

-- The last batch of each node, as Redis and as the node knows it.
local sequences = {}
local function note(node, sequence, epoch, top)
  local known = room['s:' .. node]
  local before = known and tonumber(string.match(known, '^%d+')) or -1
  if tonumber(sequence) > before then
    local value = sequence .. ' ' .. epoch .. ' ' .. top
    room['s:' .. node] = value
    sequences[node] = value
  end
end
local batches = {}
local at = 11 + 2 * ARGV[10]
while ARGV[at] do
  if tonumber(ARGV[at + 1]) > had then
    batches[#batches + 1] = at
    note(ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 1])
  end
  at = at + 9
end
for index = 11, 10 + 2 * ARGV[10], 2 do
  note(ARGV[index], ARGV[index + 1], ARGV[5], ARGV[6])
end

-- A history may forget, but never has a hole.
local is_cut = is_new or not batches[1] or tonumber(ARGV[batches[1]]) > had + 1
local cost = is_cut and 0 or tonumber(room.cost)
local base = is_cut and 0 or tonumber(room.base)
local added = {}
for _, index in ipairs(batches) do
  added[#added + 1] = text(cost + ARGV[index + 6])
  cost = cost + ARGV[index + 5]
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[5], 'top', ARGV[6], 'life', room.life or '',
  'forks', room.forks or ARGV[7], 'cost', text(cost), 'base', text(base))
for node, value in pairs(sequences) do
  redis.call('HSET', KEYS[2], 's:' .. node, value)
end
if is_cut or ARGV[8] == '0' then
  redis.call('DEL', KEYS[3])
end
if ARGV[8] ~= '0' then
  for index, start in ipairs(batches) do
    redis.call('XADD', KEYS[3], ARGV[start + 1] .. '-0',
      'p', ARGV[start + 8], 'c', added[index], 't', ARGV[start + 7])
  end
  redis.call('XTRIM', KEYS[3], 'MINID', '=', text(math.max(0, ARGV[6] - ARGV[8] + 1)))
  redis.call('HSET', KEYS[2], 'base', text(trim_bytes(KEYS[3], cost, base, tonumber(ARGV[9]))))
end
prune_nodes(KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
for _, start in ipairs(batches) do
  redis.call(ARGV[2], ARGV[3], ARGV[start + 8])
end
return {'restored'}
