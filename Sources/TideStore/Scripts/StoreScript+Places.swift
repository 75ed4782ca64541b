/// Places among so many. A key is a sorted set: each place with the millisecond at which it is free unless it is renewed.
extension StoreScript {
  /// Arguments: how many places there are, the lease in milliseconds, the place's name. Who asks again has it already. Reply: whether it
  /// was taken, how many are left.
  static let acquireText = """
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local places, lease, member = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
    local held = redis.call('ZCARD', KEYS[1])
    if not redis.call('ZSCORE', KEYS[1], member) then
      if held >= places then return {0, 0} end
      held = held + 1
    end
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), member)
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {1, math.max(0, places - held)}
    """

  /// Arguments: the lease in milliseconds, then names of places. One that was lost with the server's memory is held again.
  static let renewText = """
    local time = redis.call('TIME')
    local till = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
    for i = 2, #ARGV do redis.call('ZADD', KEYS[1], till, ARGV[i]) end
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    return {1}
    """

  /// Argument: the place's name.
  static let releaseText = "return {redis.call('ZREM', KEYS[1], ARGV[1])}"
}
