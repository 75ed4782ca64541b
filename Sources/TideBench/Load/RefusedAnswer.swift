import FoundationEssentials

/// An answer with a status other than 200: collected for its words.
final class RefusedAnswer {
  private static let byteLimit = 4096
  private static let textLimit = 200

  let status: Int
  private var body: [UInt8] = []

  init(status: Int) { self.status = status }

  func append(_ bytes: UnsafeRawBufferPointer) {
    body.append(contentsOf: bytes.prefix(max(0, Self.byteLimit - body.count)))
  }

  /// The status and what the body says: the message of the usual JSON errors, else how a short text begins.
  var message: String {
    let said = Self.messageInJSON(body) ?? Self.firstLine(body)
    return said.isEmpty ? "status \(status)" : "status \(status): \(said)"
  }

  /// `{"error":{"message":"..."}}`, `{"error":"..."}` or `{"message":"..."}`.
  private static func messageInJSON(_ body: [UInt8]) -> String? {
    struct Inner: Decodable { var message: String }
    struct Nested: Decodable { var error: Inner }
    struct Flat: Decodable { var error: String }
    let decoder = JSONDecoder()
    let data = Data(body)
    return (try? decoder.decode(Nested.self, from: data).error.message)
      ?? (try? decoder.decode(Flat.self, from: data).error) ?? (try? decoder.decode(Inner.self, from: data).message)
  }

  private static func firstLine(_ body: [UInt8]) -> String {
    let line = body.prefix { $0 != 0x0A && $0 != 0x0D }.prefix(textLimit)
    // A page of markup explains nothing in one line.
    guard line.first != UInt8(ascii: "<"), line.allSatisfy({ $0 >= 0x20 }) else { return "" }
    return String(decoding: line, as: UTF8.self)
  }
}
