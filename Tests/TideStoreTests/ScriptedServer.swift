import Dispatch
import Glibc
import Synchronization

/// A server of the test's own: reads commands, and answers each with the bytes that the test says, or not at all.
final class ScriptedServer: @unchecked Sendable {
  enum Reply: Sendable {
    case bytes(String)
    case silence
    /// So many bytes of the text, then the end of the connection.
    case cut(String, after: Int)
  }

  let port: Int
  private let listener: Int32
  private let answer: @Sendable (_ words: [String], _ connection: Int) -> Reply
  private let commands = Mutex<[[String]]>([])
  private let arrived = DispatchSemaphore(value: 0)
  private let clients = Mutex<[Int32]>([])

  /// - Parameter answer: for a command on the connection of that number, from 0. Loading scripts is answered already.
  init(_ answer: @escaping @Sendable (_ words: [String], _ connection: Int) -> Reply) {
    self.answer = answer
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let bound = withUnsafeMutablePointer(to: &address) { pointer -> Bool in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    precondition(bound, "no loopback port")
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.start { [self] in accept() }
  }

  /// Ends every connection and takes no more.
  func stop() {
    // Whoever uses a descriptor closes it: its number is another's right afterwards, of a test that runs beside this one.
    shutdown(listener, Int32(SHUT_RDWR))
    clients.withLock { for client in $0 { shutdown(client, Int32(SHUT_RDWR)) } }
  }

  /// The first command that `isWanted`, now or once it has come.
  func command(_ isWanted: ([String]) -> Bool) -> [String]? {
    while true {
      if let found = commands.withLock({ list in list.first(where: isWanted) }) { return found }
      guard arrived.wait(timeout: .now() + .seconds(20)) == .success else { return nil }
    }
  }

  var received: [[String]] { commands.withLock { $0 } }

  private func accept() {
    defer { close(listener) }
    var number = 0
    while true {
      let client = Glibc.accept(listener, nil, nil)
      guard client >= 0 else { return }
      clients.withLock { $0.append(client) }
      Thread.start { [self, number] in serve(client, number) }
      number += 1
    }
  }

  private func serve(_ client: Int32, _ number: Int) {
    defer {
      clients.withLock { open in
        open.removeAll { $0 == client }
        close(client)
      }
    }
    var held: [UInt8] = []
    while let words = next(client, &held) {
      if words.first == "SCRIPT" {
        send(client, "$40\r\n\(String(repeating: "d", count: 40))\r\n")
        continue
      }
      commands.withLock { $0.append(words) }
      arrived.signal()
      switch answer(words, number) {
      case .bytes(let text): send(client, text)
      case .silence: continue
      case .cut(let text, let count):
        send(client, String(decoding: text.utf8.prefix(count), as: UTF8.self))
        return
      }
    }
  }

  private func send(_ client: Int32, _ text: String) {
    var bytes = Array(text.utf8)
    _ = Glibc.send(client, &bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// One command: an array of bulk strings.
  private func next(_ client: Int32, _ held: inout [UInt8]) -> [String]? {
    while true {
      if let (words, length) = Self.parse(held) {
        held.removeFirst(length)
        return words
      }
      var chunk = [UInt8](repeating: 0, count: 65_536)
      let count = recv(client, &chunk, chunk.count, 0)
      guard count > 0 else { return nil }
      held += chunk[..<count]
    }
  }

  private static func parse(_ bytes: [UInt8]) -> ([String], Int)? {
    var place = 0
    func line() -> Substring? {
      guard let end = bytes[place...].firstIndex(of: 0x0A) else { return nil }
      defer { place = end + 1 }
      return Substring(String(decoding: bytes[place..<(end - 1)], as: UTF8.self))
    }
    guard let head = line(), let count = Int(head.dropFirst()) else { return nil }
    var words: [String] = []
    for _ in 0..<count {
      guard let size = line().flatMap({ Int($0.dropFirst()) }), place + size + 2 <= bytes.count else { return nil }
      words.append(String(decoding: bytes[place..<(place + size)], as: UTF8.self))
      place += size + 2
    }
    return (words, place)
  }
}

/// A thread that runs a closure.
enum Thread {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  static func start(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(Body(body)).toOpaque())
    precondition(error == 0, "no thread")
    pthread_detach(thread)
  }
}

/// Values that other threads bring, waited for in their order.
final class Brought<Value: Sendable>: Sendable {
  private let values = Mutex<[Value]>([])
  private let arrived = DispatchSemaphore(value: 0)

  func bring(_ value: Value) {
    values.withLock { $0.append(value) }
    arrived.signal()
  }

  /// The next value; nil when none comes for a very long time.
  func next() -> Value? {
    guard arrived.wait(timeout: .now() + .seconds(20)) == .success else { return nil }
    return values.withLock { $0.removeFirst() }
  }

  var isEmpty: Bool { values.withLock { $0.isEmpty } }
}
