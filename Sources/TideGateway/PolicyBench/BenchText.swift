import TideCore

/// An answer that looks like prose to policies: words of all lengths, sentences, nothing that repeats.
enum BenchText {
  private static let syllables = [
    "ta", "re", "lo", "min", "sa", "ver", "du", "ki", "pon", "el", "or", "ash", "un", "tri", "me",
  ]

  static func tokens(_ count: Int) -> [[UInt8]] {
    var numbers = SeededNumbers(seed: 11)
    var result: [[UInt8]] = []
    var isFirst = true
    while result.count < count {
      let length = [1, 2, 2, 2, 3, 3, 4][Int.random(in: 0..<7, using: &numbers)]
      var word = (0..<length).map { _ in syllables[Int.random(in: 0..<syllables.count, using: &numbers)] }.joined()
      if isFirst { word = word.prefix(1).uppercased() + word.dropFirst() }
      isFirst = result.count % 12 == 11
      result.append(Array((word + (isFirst ? ". " : " ")).utf8))
    }
    return result
  }
}
