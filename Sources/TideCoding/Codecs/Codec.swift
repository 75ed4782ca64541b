/// One coding's library, fed and drained in steps.
///
/// A class, because each owns C state that has to stay where it is and to be freed.
class Codec {
  struct Outcome {
    var produced: Int
    /// What stopped it; bytes that came before are good.
    var failure: DecodingFailure?
  }

  /// Whether the body may end here.
  var isAtEnd: Bool { false }

  /// Takes what it can of `input`, which shrinks accordingly, and fills `output` as far as it gets.
  func step(_ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Outcome {
    Outcome(produced: 0, failure: .corrupt)
  }
}

extension UnsafeRawBufferPointer {
  /// Drops `count` bytes from the front.
  mutating func drop(_ count: Int) { self = UnsafeRawBufferPointer(rebasing: self[count...]) }
}
