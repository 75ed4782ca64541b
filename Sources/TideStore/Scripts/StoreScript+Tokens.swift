/// Budgets of tokens, as `TokenBudget` of TidePolicy keeps them.
///
/// A key is a hash: tokens spent by the number of their slot. A rolling period is cut into slots, and one counts until all of it is older
/// than the period; a calendar's period is one slot. A clock that was set back gives nothing out: the newest slot stays the newest.
extension StoreScript {
  /// Reads the slots that still count, and forgets the others.
  ///
  /// Arguments: the kind of period (`rolling`, `hour`, `day`, `month`), the length of a slot in milliseconds, how many slots count.
  static let ledgerText = """
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local kind, length, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

    -- Months have numbers: twelve times the year and the month from 0. Years begin in March here, so that a leap day is the last.
    local function month(ms)
      local day = math.floor(ms / 86400000) + 719468
      local era = math.floor(day / 146097)
      local of_era = day % 146097
      local year = math.floor(
        (of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
      local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
      return (era * 400 + year) * 12 + math.floor((5 * of_year + 2) / 153) + 2
    end

    local function month_begins(number)
      local from_march = number - 2
      local year = math.floor(from_march / 12)
      local of_year = math.floor((153 * (from_march % 12) + 2) / 5)
      local era, year_of_era = math.floor(year / 400), year % 400
      local of_era = year_of_era * 365 + math.floor(year_of_era / 4) - math.floor(year_of_era / 100) + of_year
      return (era * 146097 + of_era - 719468) * 86400000
    end

    local function ends(slot)
      if kind == 'month' then return month_begins(slot + 1) end
      return (slot + count) * length
    end

    local function whole(number) return string.format('%.0f', number) end

    local newest = kind == 'month' and month(now) or math.floor(now / length)
    local spent, total = {}, 0
    local stored = redis.call('HGETALL', KEYS[1])
    for i = 1, #stored, 2 do
      local slot = tonumber(stored[i])
      spent[slot] = tonumber(stored[i + 1])
      newest = math.max(newest, slot)
    end
    for slot, tokens in pairs(spent) do
      if slot > newest - count then
        total = total + tokens
      else
        redis.call('HDEL', KEYS[1], whole(slot))
        spent[slot] = nil
      end
    end

    local function book(tokens)
      redis.call('HINCRBY', KEYS[1], whole(newest), whole(tokens))
      redis.call('PEXPIRE', KEYS[1], whole(math.max(1, ends(newest) - now)))
    end

    """

  /// Arguments, after the ledger's: the budget, how many tokens are wanted, fewer than how many are refused. Reply: whether, how many, from
  /// which slot, how many are left, the milliseconds to wait (-1: none, or for ever).
  static let reserveText = """
    local budget, wanted, least = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
    local free = math.max(0, budget - total)
    local granted = math.min(wanted, free)
    if granted >= least then
      if granted > 0 then book(granted) end
      return {1, granted, newest, free - granted, -1}
    end
    if least > budget then return {0, 0, newest, free, -1} end
    local missing = least - (budget - total)
    for slot = newest - count + 1, newest do
      missing = missing - (spent[slot] or 0)
      if missing <= 0 then return {0, 0, newest, free, math.max(1, ends(slot) - now)} end
    end
    return {0, 0, newest, free, -1}
    """

  /// Argument, after the ledger's: how many tokens.
  static let chargeText = """
    book(tonumber(ARGV[4]))
    return {1}
    """

  /// Arguments, after the ledger's: slots and tokens in turn. A slot that counts no more needs nothing.
  static let giveBackText = """
    for i = 4, #ARGV, 2 do
      local slot = tonumber(ARGV[i])
      if spent[slot] then
        spent[slot] = math.max(0, spent[slot] - tonumber(ARGV[i + 1]))
        if spent[slot] > 0 then
          redis.call('HSET', KEYS[1], whole(slot), whole(spent[slot]))
        else
          redis.call('HDEL', KEYS[1], whole(slot))
        end
      end
    end
    return {1}
    """
}
