extension StoreScript {
  /// The generic cell rate algorithm, as `RateLimit` of TidePolicy runs it.
  ///
  /// The key holds an instant, how much of the limit was used then, and the unit of that. Used drains with time; a clock that was set back
  /// drains nothing, and gives nothing out.
  ///
  /// Arguments: the interval of one request in units, the burst, the amount (0 only asks), the unit in nanoseconds (1, or 1000 where a
  /// capacity would not be exact otherwise). Reply: whether it is allowed, how many more would be, the milliseconds to wait (-1: none, or
  /// for ever).
  static let takeText = """
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local interval, burst, amount, unit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
    local capacity, used = interval * burst, 0
    local stored = redis.call('GET', KEYS[1])
    if stored then
      local at, level, scale = string.match(stored, '^(%d+) (%d+) (%d+)$')
      if at then
        local passed = math.max(0, now - at) * (1000 / unit)
        used = math.min(capacity, math.max(0, math.ceil(level * scale / unit) - passed))
      end
    end
    if amount > burst then return {0, math.floor((capacity - used) / interval), -1} end
    local wanted = used + amount * interval
    if wanted > capacity then
      return {0, math.floor((capacity - used) / interval), math.ceil((wanted - capacity) * unit / 1000000)}
    end
    if amount > 0 then
      local ms = math.max(1, math.ceil(wanted * unit / 1000000))
      redis.call('SET', KEYS[1], string.format('%.0f %.0f %.0f', now, wanted, unit), 'PX', string.format('%.0f', ms))
    end
    return {1, math.floor((capacity - wanted) / interval), -1}
    """
}
