import CHiredis
import Glibc
import TideCore

/// One connection, through hiredis. Its socket does not block: whoever owns it waits, for it and for other things.
///
/// Used on one thread. Every failure ends it: replies come in the order of commands, so after one that is missing no other can be told.
final class RedisLink {
  /// Why a connection is none, or none any more.
  struct Problem: Error, Equatable {
    var reason: String
  }

  private let context: UnsafeMutablePointer<redisContext>
  private var isConnected = false

  /// Begins to connect. Looks a name up, which may block; what follows does not.
  init(host: String, port: Int) throws(Problem) {
    guard let context = redisConnectNonBlock(host, Int32(truncatingIfNeeded: port)) else {
      throw Problem(reason: "out of memory")
    }
    self.context = context
    guard context.pointee.err == 0 else {
      // Everything is set: the object ends itself.
      throw Problem(reason: Self.reason(context))
    }
  }

  deinit { redisFree(context) }

  var descriptor: Int32 { context.pointee.fd }
  /// Whether the owner is to wait until more can be written.
  var hasOutput: Bool { !isConnected || chiredis_has_output(context) != 0 }

  private static func reason(_ context: UnsafeMutablePointer<redisContext>) -> String {
    // hiredis says "Server closed the connection", "Protocol error, got ...", or the system's words.
    let text = String(cString: chiredis_error(context))
    return text.isEmpty ? "the connection failed" : text
  }

  /// Puts a command behind those that wait to be written.
  func append(_ arguments: [String]) throws(Problem) {
    var lengths = arguments.map(\.utf8.count)
    var bytes: [CChar] = []
    bytes.reserveCapacity(lengths.reduce(0, +))
    for argument in arguments { bytes.append(contentsOf: argument.utf8.map { CChar(bitPattern: $0) }) }
    let status = bytes.withUnsafeBufferPointer { bytes -> Int32 in
      var pointers: [UnsafePointer<CChar>?] = []
      var offset = 0
      // An empty buffer has no address, and an argument of no bytes needs one all the same.
      guard let base = bytes.baseAddress else { return REDIS_ERR }
      for length in lengths {
        pointers.append(base + offset)
        offset += length
      }
      return redisAppendCommandArgv(context, Int32(pointers.count), &pointers, &lengths)
    }
    guard status == REDIS_OK else { throw Problem(reason: Self.reason(context)) }
  }

  /// Writes what can be written now.
  func write() throws(Problem) {
    if !isConnected {
      var code: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 else {
        throw Problem(reason: String(cString: strerror(code)))
      }
      isConnected = true
    }
    guard chiredis_has_output(context) != 0 else { return }
    var isDone: Int32 = 0
    guard redisBufferWrite(context, &isDone) == REDIS_OK else { throw Problem(reason: Self.reason(context)) }
  }

  /// Reads what has come, and gives each reply that is whole.
  func read(_ each: (StoreReply) -> Void) throws(Problem) {
    guard redisBufferRead(context) == REDIS_OK else { throw Problem(reason: Self.reason(context)) }
    while true {
      var reply: UnsafeMutableRawPointer?
      guard redisGetReplyFromReader(context, &reply) == REDIS_OK else { throw Problem(reason: Self.reason(context)) }
      guard let reply else { return }
      defer { freeReplyObject(reply) }
      each(StoreReply(UnsafePointer(reply.assumingMemoryBound(to: redisReply.self))))
    }
  }
}
