@testable import TideRegex

func flags(_ text: String) -> RegexFlags {
  text.unicodeScalars.reduce(into: []) { $0.formUnion(RegexFlags(letter: $1)!) }
}

func matcher(_ pattern: String, _ letters: String = "") throws(RegexSyntaxError) -> RegexMatcher {
  RegexMatcher(try RegexProgram(pattern, flags: flags(letters)))
}

extension RegexMatcher {
  func matches(_ text: String) -> Bool? {
    var text = text
    return text.withUTF8 { matches(UnsafeRawBufferPointer($0), poll: { false }) }
  }

  /// The first match and its captures as text; nil in the list took no part.
  func found(_ text: String, from start: Int = 0) -> [String?]? {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { bytes in
      guard case .match(let match) = firstMatch(in: bytes, from: start, poll: { false }) else { return nil }
      let captures = captures(of: match, in: bytes, poll: { false }) ?? []
      return ([match] + captures).map { $0.map { String(decoding: bytes[$0], as: UTF8.self) } }
    }
  }

  func place(_ text: [UInt8], from start: Int = 0) -> Range<Int>? {
    text.withUnsafeBytes { bytes in
      if case .match(let match) = firstMatch(in: bytes, from: start, poll: { false }) { return match }
      return nil
    }
  }
}
