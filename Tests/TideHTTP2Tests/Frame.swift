/// One HTTP/2 frame built or read by hand, so that tests do not depend on the library they test.
struct Frame: Equatable {
  var type: UInt8
  var flags: UInt8 = 0
  var stream: Int = 0
  var payload: [UInt8] = []

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  var bytes: [UInt8] {
    let n = payload.count
    let s = UInt32(stream)
    return [
      UInt8(n >> 16 & 255), UInt8(n >> 8 & 255), UInt8(n & 255), type, flags, UInt8(s >> 24), UInt8(s >> 16 & 255),
      UInt8(s >> 8 & 255), UInt8(s & 255),
    ] + payload
  }

  static func data(_ stream: Int, _ payload: [UInt8] = [], end: Bool = false) -> Frame {
    Frame(type: 0, flags: end ? 1 : 0, stream: stream, payload: payload)
  }

  static func headers(_ stream: Int, _ block: [UInt8], end: Bool = false, endHeaders: Bool = true) -> Frame {
    Frame(type: 1, flags: (end ? 1 : 0) | (endHeaders ? 4 : 0), stream: stream, payload: block)
  }

  static func headers(_ stream: Int, _ fields: [(String, String)], end: Bool = false) -> Frame {
    headers(stream, hpack(fields), end: end)
  }

  static func get(_ stream: Int) -> Frame { headers(stream, request("GET"), end: true) }

  static func reset(_ stream: Int, code: UInt32 = 8) -> Frame { Frame(type: 3, stream: stream, payload: word(code)) }

  static func settings(_ entries: [(UInt16, UInt32)] = [], ack: Bool = false) -> Frame {
    Frame(
      type: 4, flags: ack ? 1 : 0,
      payload: entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + word($0.1) })
  }

  static func ping() -> Frame { Frame(type: 6, payload: [UInt8](repeating: 7, count: 8)) }

  static func goaway(last: UInt32, code: UInt32 = 0) -> Frame { Frame(type: 7, payload: word(last) + word(code)) }

  static func windowUpdate(_ stream: Int, _ increment: UInt32) -> Frame {
    Frame(type: 8, stream: stream, payload: word(increment))
  }

  static func continuation(_ stream: Int, _ block: [UInt8], endHeaders: Bool = false) -> Frame {
    Frame(type: 9, flags: endHeaders ? 4 : 0, stream: stream, payload: block)
  }

  static func word(_ value: UInt32) -> [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
  }

  static func request(_ method: String, _ extra: [(String, String)] = []) -> [(String, String)] {
    [(":method", method), (":scheme", "http"), (":authority", "a.test"), (":path", "/v1")] + extra
  }

  /// Literal fields without indexing.
  static func hpack(_ fields: [(String, String)]) -> [UInt8] {
    fields.flatMap { [0] + string($0.0) + string($0.1) }
  }

  private static func string(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
    var rest = bytes.count - 127
    var length: [UInt8] = [127]
    while rest >= 128 {
      length.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return length + [UInt8(rest)] + bytes
  }

  /// All whole frames in `bytes`, which begin at a frame.
  static func parse(_ bytes: [UInt8]) -> [Frame] {
    var frames: [Frame] = []
    var at = 0
    while at + 9 <= bytes.count {
      let length = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
      guard at + 9 + length <= bytes.count else { break }
      let stream = bytes[at + 5..<at + 9].reduce(0) { $0 << 8 | Int($1) }
      frames.append(
        Frame(
          type: bytes[at + 3], flags: bytes[at + 4], stream: stream, payload: Array(bytes[at + 9..<at + 9 + length])))
      at += 9 + length
    }
    return frames
  }
}
