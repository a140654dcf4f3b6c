-- What several scripts need; it stands before each of them.

local function text(number)
  return string.format('%.0f', number) -- a plain number would be written as 1e+14
end

-- Returns the process that Redis was when its life was last noted, and the time of that note.
local function read_life(key)
  return string.match(redis.call('GET', key) or '', '^(%S+) (%d+)$')
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Removes batches of which no message is within the bound of bytes, and returns the new base.
-- Each batch has as 'c' the cost of everything before its last message, since the room began; the
-- base is that of the first batch or less, so that the log is read only if it may be too large.
local function trim_bytes(log, cost, base, bytes)
  if cost - base <= bytes then
    return base
  end
  local last
  repeat
    local is_full = false
    local first = redis.call('XRANGE', log, last and '(' .. last or '-', '+', 'COUNT', 4)
    base = cost
    for _, entry in ipairs(first) do
      local before = tonumber(entry[2][4])
      is_full = cost - before > bytes
      if not is_full then
        base = before
        break
      end
      last = entry[1]
    end
  until not is_full
  if last then
    redis.call('XTRIM', log, 'MINID', '=', text(string.match(last, '%d+') + 1))
  end
  return base
end

-- Bounds the fields of nodes: more than 96 become the 64 of the latest batches.
local function prune_nodes(room)
  if redis.call('HLEN', room) <= 102 then -- with the 6 other fields
    return
  end
  local all, nodes = redis.call('HGETALL', room), {}
  for index = 1, #all, 2 do
    if string.sub(all[index], 1, 2) == 's:' then
      nodes[#nodes + 1] = {all[index], tonumber(string.match(all[index + 1], '(%d+)$'))}
    end
  end
  table.sort(nodes, function(a, b)
    return a[2] > b[2] or a[2] == b[2] and a[1] < b[1]
  end)
  for index = 65, #nodes do
    redis.call('HDEL', room, nodes[index][1])
  end
end

