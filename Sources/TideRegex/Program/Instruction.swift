/// One step of an automaton over bytes.
struct Instruction: Sendable, BitwiseCopyable {
  enum Operation: UInt8, Sendable, BitwiseCopyable {
    /// Takes a byte of the set `argument`, then `next`.
    case take
    /// Goes on with `next`, and with `argument` where that fails.
    case split
    /// Notes the place in slot `argument`.
    case save
    /// Goes on where the assertion `argument` holds.
    case assert
    case match
  }

  var operation: Operation
  var next: UInt32 = 0
  var argument: UInt32 = 0
}
