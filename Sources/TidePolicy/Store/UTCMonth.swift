/// A month of the Gregorian calendar in UTC, by its number: 12 times the year plus the month from 0.
struct UTCMonth: Equatable {
  let number: Int

  init(number: Int) { self.number = number }

  /// - Parameter milliseconds: since 1970, from 0.
  init(milliseconds: Int) {
    // Years begin in March here, so that the day a leap year adds is the last.
    let day = milliseconds / 86_400_000 + 719_468
    let era = day / 146_097
    let dayOfEra = day % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    number = (era * 400 + yearOfEra) * 12 + monthFromMarch + 2
  }

  /// When it begins, in milliseconds since 1970.
  var startMs: Int {
    let fromMarch = number - 2
    let year = fromMarch / 12
    let dayOfYear = (153 * (fromMarch % 12) + 2) / 5
    let era = year / 400
    let yearOfEra = year % 400
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return (era * 146_097 + dayOfEra - 719_468) * 86_400_000
  }
}
