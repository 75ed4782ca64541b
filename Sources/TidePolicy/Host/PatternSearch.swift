import TideRegex

/// How far a loop over matches has come.
struct PatternProgress {
  private var place = 0
  private var lastEnd: Int?

  /// The next match that is not an empty one at the end of the last.
  mutating func next(
    _ matcher: RegexMatcher, _ text: UnsafeRawBufferPointer, _ poll: () -> Bool
  ) -> RegexMatcher.Outcome {
    while place <= text.count {
      let outcome = matcher.firstMatch(in: text, from: place, poll: poll)
      guard case .match(let match) = outcome else {
        place = text.count + 1
        return outcome
      }
      if match.isEmpty, match.lowerBound == lastEnd {
        place = match.lowerBound + 1
        // A match cannot begin inside a character.
        while place < text.count, text[place] & 0xC0 == 0x80 { place += 1 }
        continue
      }
      lastEnd = match.upperBound
      place = match.upperBound
      return outcome
    }
    return .none
  }
}

/// A `gmatch` that runs: it keeps its pattern and its text until its hook ends.
final class PatternSearch {
  let entry: PatternTable.Entry
  let text: [UInt8]
  var progress = PatternProgress()

  init(_ entry: PatternTable.Entry, _ text: UnsafeRawBufferPointer) {
    self.entry = entry
    self.text = Array(text)
  }
}
