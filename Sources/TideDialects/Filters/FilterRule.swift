/// What one word or pattern of a compiled set asks for and does. Rules are in the order in which they were listed, which decides
/// between matches of the same place and length.
struct FilterRule: Sendable, BitwiseCopyable {
  enum Kind: UInt8, Sendable, BitwiseCopyable {
    case entity, word, pattern, placeholder
  }

  var filter: UInt16
  var kind: Kind
  var entity = EntityKind.email
  var item: UInt32 = 0
  /// Only between word edges.
  var isWhole = false
  var right = FilterPattern.Edge.anything
  var check = EntityCheck.none
  var tail = EntityRecogniser.Tail.none
  var asks = false
  /// Without an answer, a match ends the answer.
  var cuts = false
  var byteCountMax: UInt32
  /// What takes the match's place, in the set's text.
  var replacementStart: UInt32 = 0
  var replacementCount: UInt32 = 0

  /// Whether a match needs the character that follows it to be judged.
  var looksAhead: Bool { isWhole || right != .anything }

  var name: StaticString {
    switch kind {
    case .word: "word"
    case .pattern: "pattern"
    case .placeholder: "placeholder"
    case .entity:
      switch entity {
      case .email: "email"
      case .iban: "iban"
      case .card: "card"
      case .phone: "phone"
      case .ip: "ip"
      case .key: "key"
      case .jwt: "jwt"
      case .pem: "pem"
      }
    }
  }
}
