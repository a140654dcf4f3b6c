-- Numbers one batch, appends it to its room, and publishes it.
-- KEYS: life, room, log, clients, [idempotency key]
-- ARGV: 1 life, 2 restore window in ms, 3 PUBLISH or SPUBLISH, 4 channel, 5 time to live in ms,
--   6 node, 7 sequence, 8 number of messages, 9 epoch that begins if one begins,
--   10 cost, 11 cost without the last message, 12 time of the last message in ms,
--   13 most messages of the history, 14 most bytes of the history, 15 rest of the payload,
--   16 fingerprint, 17 time of the idempotency key in ms
-- Returns: {'life'} | {'key', FINGERPRINT EPOCH TOP COUNT} | {'repeated', EPOCH, TOP} | {'wait', ms}
--   | {'published', EPOCH, TOP, clients}
-- Nothing is written before everything is checked. HSET comes first: it is refused when memory is
-- short or replicas are missing, and nothing after it is.

local life, since = read_life(KEYS[1])
if life ~= ARGV[1] then
  return {'life'}
end
if KEYS[5] then
  local used = redis.call('GET', KEYS[5])
  if used then
    return {'key', used}
  end
end
local field = 's:' .. ARGV[6]
local room = redis.call('HMGET', KEYS[2], 'epoch', 'top', 'life', 'forks', 'cost', 'base', field)
local epoch, forks, last_batch = room[1], room[4] or '', room[7]
local top, cost, base = tonumber(room[2] or 0), tonumber(room[5] or 0), tonumber(room[6] or 0)
if last_batch then
  local sequence, at_epoch, at_top = string.match(last_batch, '^(%d+) (%x+) (%d+)$')
  if tonumber(sequence) >= tonumber(ARGV[7]) then
    return {'repeated', at_epoch, at_top}
  end
end
local is_new = not epoch
if room[3] ~= life then
  local rest = since + ARGV[2] - now()
  if rest > 0 then
    return {'wait', rest}
  end
  if epoch then
    forks = forks .. (forks == '' and '' or ' ') .. epoch .. '-' .. text(top)
    local _, count = string.gsub(forks, '%-', '')
    if count > 8 then
      forks = string.match(forks, '^%S+ (.*)$') -- the oldest is forgotten
    end
  end
  epoch = ARGV[9]
end
top = top + ARGV[8]
if top >= 9007199254740992 then
  return redis.error_reply('ERR the offsets of this room are used up')
end
local before_last = text(cost + ARGV[11])
cost = cost + ARGV[10]
local offset = text(top)
local payload = 'm' .. epoch .. ' ' .. offset .. ARGV[15]

redis.call('HSET', KEYS[2], 'epoch', epoch, 'top', offset, 'life', life, 'forks', forks,
  'cost', text(cost), 'base', text(base), field, ARGV[7] .. ' ' .. epoch .. ' ' .. offset)
if is_new or ARGV[13] == '0' then
  redis.call('DEL', KEYS[3]) -- a log can outlive its room only if Redis evicts keys
end
if ARGV[13] ~= '0' then
  local oldest = text(math.max(0, top - ARGV[13] + 1))
  redis.call('XADD', KEYS[3], 'MINID', '=', oldest, offset .. '-0',
    'p', payload, 'c', before_last, 't', ARGV[12])
  local new_base = trim_bytes(KEYS[3], cost, base, tonumber(ARGV[14]))
  if new_base ~= base then
    redis.call('HSET', KEYS[2], 'base', text(new_base))
  end
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
if not last_batch then
  prune_nodes(KEYS[2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
if KEYS[5] then
  redis.call('SET', KEYS[5], ARGV[16] .. ' ' .. epoch .. ' ' .. offset .. ' ' .. ARGV[8], 'PX', ARGV[17])
end
redis.call(ARGV[3], ARGV[4], payload)

local clients = 0
for _, count in ipairs(redis.call('HVALS', KEYS[4])) do
  clients = clients + count
end
return {'published', epoch, offset, clients}
