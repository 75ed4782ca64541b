/// The one form of a request's path that routing, policies and the engine see.
///
/// Decodes only what RFC 3986 section 2.3 calls unreserved, refuses what could mean two things to two programs, resolves `.` and
/// `..`, merges nothing. What was refused here is a 400, whoever would have served it.
struct CanonicalPath: Equatable {
  /// Begins with `/`.
  let path: String
  /// Without its `?`; nil when the target has none.
  let query: String?

  enum Refusal: Error, Equatable {
    case notAbsolute
    case forbiddenByte
    case badEscape
    case forbiddenEscape
    case aboveRoot
  }

  /// - Parameter target: path and query as they came.
  static func make(_ target: String) -> Result<CanonicalPath, Refusal> {
    if isPlain(target) { return .success(CanonicalPath(path: target, query: nil)) }
    var bytes: [UInt8] = []
    var query: String?
    let input = Array(target.utf8)
    guard input.first == UInt8(ascii: "/") else { return .failure(.notAbsolute) }
    var index = 0
    while index < input.count {
      let byte = input[index]
      if byte == UInt8(ascii: "?") {
        let rest = input[(index + 1)...]
        if rest.contains(where: { $0 <= 0x20 || $0 >= 0x7f || $0 == UInt8(ascii: "#") }) {
          return .failure(.forbiddenByte)
        }
        query = String(decoding: rest, as: UTF8.self)
        break
      }
      if byte == UInt8(ascii: "%") {
        guard index + 2 < input.count, let high = hexValue(input[index + 1]), let low = hexValue(input[index + 2])
        else {
          return .failure(.badEscape)
        }
        let value = high << 4 | low
        if value == 0 || value == UInt8(ascii: "/") || value == UInt8(ascii: "\\") { return .failure(.forbiddenEscape) }
        if isUnreserved(value) { bytes.append(value) } else { bytes += input[index...index + 2] }
        index += 3
        continue
      }
      if byte <= 0x20 || byte >= 0x7f || isRefusedRaw(byte) { return .failure(.forbiddenByte) }
      bytes.append(byte)
      index += 1
    }
    guard let resolved = resolveDots(bytes) else { return .failure(.aboveRoot) }
    return .success(CanonicalPath(path: String(decoding: resolved, as: UTF8.self), query: query))
  }

  /// Path and query, as they go to the engine.
  var target: String { query.map { path + "?" + $0 } ?? path }

  /// Whether a target is a path in its one form already, as nearly all are: no query, no escape, no segment that begins with a dot.
  private static func isPlain(_ target: String) -> Bool {
    var target = target
    return target.withUTF8 { bytes in
      guard bytes.first == UInt8(ascii: "/") else { return false }
      var previous: UInt8 = 0
      for byte in bytes {
        switch byte {
        case UInt8(ascii: "?"), UInt8(ascii: "%"), 0...0x20, 0x7f...0xff: return false
        case UInt8(ascii: ".") where previous == UInt8(ascii: "/"): return false
        default: if isRefusedRaw(byte) { return false }
        }
        previous = byte
      }
      return true
    }
  }

  private static func isRefusedRaw(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "#"), UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"),
      UInt8(ascii: "^"),
      UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
      true
    default: false
    }
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
    default: false
    }
  }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  /// RFC 3986 section 5.2.4, but a `..` above the root is refused instead of ignored.
  private static func resolveDots(_ path: [UInt8]) -> [UInt8]? {
    let segments = path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    var kept: [ArraySlice<UInt8>] = []
    for (position, segment) in segments.enumerated() {
      let isLast = position == segments.count - 1
      if segment.elementsEqual(".".utf8) {
        if isLast { kept.append([]) }
      } else if segment.elementsEqual("..".utf8) {
        if kept.isEmpty { return nil }
        kept.removeLast()
        if isLast { kept.append([]) }
      } else {
        kept.append(segment)
      }
    }
    var result: [UInt8] = []
    for segment in kept {
      result.append(UInt8(ascii: "/"))
      result += segment
    }
    return result.isEmpty ? [UInt8(ascii: "/")] : result
  }
}
