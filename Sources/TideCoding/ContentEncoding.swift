/// What a message's `Content-Encoding` says.
public enum ContentEncoding: Sendable, Equatable {
  /// No coding: the field is absent, empty, or says `identity`.
  case identity
  case coded(ContentCoding)
  /// A coding that is not known; the token, shortened.
  case unknown(String)
  /// One coding over another: never undone, for each layer multiplies what a few bytes can expand to.
  case nested

  private static let shownByteCount = 32

  /// - Parameter field: all of the field's values, joined with commas; nil when there is none.
  public init(_ field: String?) {
    guard let field else {
      self = .identity
      return
    }
    let tokens = field.split(separator: ",").map { Self.trimmed($0).lowercased() }
      .filter { !$0.isEmpty && $0 != "identity" }
    guard let token = tokens.first else {
      self = .identity
      return
    }
    if tokens.count > 1 {
      self = .nested
    } else if let coding = ContentCoding(token: token) {
      self = .coded(coding)
    } else {
      self = .unknown(
        String(decoding: token.utf8.filter { $0 > 0x20 && $0 < 0x7F }.prefix(Self.shownByteCount), as: UTF8.self))
    }
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop { $0 == " " || $0 == "\t" }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return text
  }

  /// What is wrong with it, as the end of a sentence about a body that must be read; nil for what can be read.
  public var problem: String? {
    switch self {
    case .identity, .coded: nil
    case .unknown(let token): "has the unknown content coding `\(token)`"
    case .nested: "has several content codings, one over another"
    }
  }
}
