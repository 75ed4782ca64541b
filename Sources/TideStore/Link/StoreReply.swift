import CHiredis

/// What the server said, copied out of the library's memory.
enum StoreReply: Equatable {
  case text(String)
  case integer(Int)
  case list([StoreReply])
  case nothing
  case error(String)

  init(_ reply: UnsafePointer<redisReply>) {
    let reply = reply.pointee
    switch reply.type {
    case REDIS_REPLY_INTEGER: self = .integer(Int(reply.integer))
    case REDIS_REPLY_ARRAY:
      self = .list(
        (0..<Int(reply.elements)).map { index in
          reply.element[index].map { StoreReply(UnsafePointer($0)) } ?? .nothing
        })
    case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: self = .text(Self.text(reply))
    case REDIS_REPLY_ERROR: self = .error(Self.text(reply))
    default: self = .nothing
    }
  }

  private static func text(_ reply: redisReply) -> String {
    guard let start = reply.str else { return "" }
    return String(decoding: UnsafeRawBufferPointer(start: start, count: Int(reply.len)), as: UTF8.self)
  }

  /// A list of whole numbers, as all scripts return; nil for anything else.
  var numbers: [Int]? {
    guard case .list(let items) = self else { return nil }
    var numbers: [Int] = []
    for item in items {
      guard case .integer(let number) = item else { return nil }
      numbers.append(number)
    }
    return numbers
  }
}
