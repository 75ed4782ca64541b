import TideCore

/// One header block while it is being received. A session has at most one at a time, since HTTP/2 allows no
/// interleaving, and holds it in itself.
///
/// Stops storing at the limits, and goes on counting: the table of HPACK must see the whole block.
struct HeaderBlock: ~Copyable {
  private(set) var fields = HeaderList()
  private(set) var method = ""
  private(set) var scheme = ""
  private(set) var authority: String?
  private(set) var path = ""
  private(set) var status = 0
  private(set) var host: String?
  private(set) var contentLength: Int?
  private(set) var fieldCount = 0
  private(set) var isOverLimit = false
  /// Two fields that must be one differ, or a number is none: 400.
  private(set) var isContradictory = false

  /// What most heads stay under, so that their storage is set aside once.
  private static let usualFieldCount = 12
  private static let usualByteCount = 192

  private let fieldLimit: Int32
  private let sizeLimit: Int32
  private var size = 0
  private var cookie: [UInt8] = []

  init(fieldLimit: Int, sizeLimit: Int) {
    self.fieldLimit = Int32(clamping: fieldLimit)
    self.sizeLimit = Int32(clamping: sizeLimit)
    fields.reserve(fields: Self.usualFieldCount, bytes: Self.usualByteCount)
  }

  /// Takes a field as nghttp2 decoded and validated it.
  mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    fieldCount &+= 1
    size &+= name.count &+ value.count &+ HeaderList.fieldOverhead
    // A name's length is stored in sixteen bits.
    if fieldCount > Int(fieldLimit) || size > Int(sizeLimit) || name.count > Int(UInt16.max) { isOverLimit = true }
    if isOverLimit { return }
    if name.first == UInt8(ascii: ":") {
      appendPseudo(name, value)
    } else if name.equals("cookie") {
      // RFC 9113 section 8.2.3: crumbs become one field again for whoever does not speak HTTP/2.
      if !cookie.isEmpty { cookie.append(contentsOf: "; ".utf8) }
      cookie.append(contentsOf: value)
    } else if name.equals("host") {
      let text = String(decoding: value, as: UTF8.self)
      if let host, host != text { isContradictory = true }
      host = text
    } else if name.equals("content-length") {
      guard let length = Self.number(value), contentLength == nil || contentLength == length else {
        isContradictory = true
        return
      }
      contentLength = length
    } else {
      fields.append(name, value)
    }
  }

  /// A field that nghttp2 found invalid still counts.
  mutating func countInvalid() { fieldCount &+= 1 }

  /// Takes the fields out, with the cookie's crumbs joined at the end.
  mutating func finishedFields() -> HeaderList {
    var fields = HeaderList()
    swap(&fields, &self.fields)
    guard !cookie.isEmpty else { return fields }
    let name: StaticString = "cookie"
    cookie.withUnsafeBytes {
      fields.append(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), $0)
    }
    return fields
  }

  private mutating func appendPseudo(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    if name.equals(":method") {
      method = String(decoding: value, as: UTF8.self)
    } else if name.equals(":scheme") {
      scheme = String(decoding: value, as: UTF8.self)
    } else if name.equals(":authority") {
      authority = String(decoding: value, as: UTF8.self)
    } else if name.equals(":path") {
      path = String(decoding: value, as: UTF8.self)
    } else if name.equals(":status") {
      status = Self.number(value) ?? 0
    }
  }

  /// Digits only, at most 2^53.
  private static func number(_ value: UnsafeRawBufferPointer) -> Int? {
    guard !value.isEmpty, value.count <= 16 else { return nil }
    var result = 0
    for byte in value {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      result = result &* 10 &+ Int(byte &- 0x30)
    }
    return result <= 1 << 53 ? result : nil
  }
}
