import Glibc
import Testing
import TideCore
import TideHTTP2

@testable import TideBench

/// A listener that answers whatever comes with the same bytes, then closes, or holds the connection.
private final class RawTarget: Sendable {
  let port: UInt16
  private let descriptor: Int32

  init(answering bytes: [UInt8], thenCloses: Bool = true) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let (bound, descriptor) = withUnsafeMutablePointer(to: &address) { [descriptor] pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        let bound = bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0
        getsockname(descriptor, $0, &length)
        return (bound, descriptor)
      }
    }
    precondition(bound, "no port to listen on")
    port = UInt16(bigEndian: address.sin_port)
    let thread = Served(descriptor: descriptor, bytes: bytes, thenCloses: thenCloses)
    var id = pthread_t()
    pthread_create(
      &id, nil,
      { argument in
        Unmanaged<Served>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(thread).toOpaque())
    pthread_detach(id)
  }

  func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  private final class Served: Sendable {
    let descriptor: Int32
    let bytes: [UInt8]
    let thenCloses: Bool

    init(descriptor: Int32, bytes: [UInt8], thenCloses: Bool) {
      self.descriptor = descriptor
      self.bytes = bytes
      self.thenCloses = thenCloses
    }

    func run() {
      var buffer = [UInt8](repeating: 0, count: 4096)
      while true {
        let peer = accept(descriptor, nil, nil)
        guard peer >= 0 else { break }
        // The request is there before the answer, so that the answer belongs to it.
        _ = recv(peer, &buffer, buffer.count, 0)
        _ = send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        if thenCloses { shutdown(peer, Int32(SHUT_WR)) }
        while recv(peer, &buffer, buffer.count, 0) > 0 {}
        close(peer)
      }
      close(descriptor)
    }
  }
}

@Suite struct HostileTargetTests {
  /// Runs two streams against the target; what the client says of it.
  private func verdict(
    on bytes: [UInt8], _ version: BenchSettings.Version, connections: Int = 2, thenCloses: Bool = true
  ) -> String {
    let target = RawTarget(answering: bytes, thenCloses: thenCloses)
    defer { target.stop() }
    var settings = BenchSettings(url: "http://127.0.0.1:\(target.port)")
    settings.version = version
    settings.connections = [connections]
    settings.rampMs = 0
    settings.warmUpMs = 0
    settings.measureMs = 10
    settings.timeoutMs = 500
    do {
      return "\(try Bench(settings).run().steps[0].failures)"
    } catch {
      return error.message
    }
  }

  private static func frame(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 1, _ payload: [UInt8] = []) -> [UInt8] {
    FrameReaderTests.frame(kind, flags: flags, stream: stream, payload)
  }

  private static let settings = frame(4, stream: 0)
  /// The payload of a frame as large as allowed.
  private static let blank = [UInt8](repeating: 0x20, count: FrameHeader.payloadLimit)

  @Test(
    arguments: [
      ("an answer in HTTP/1.1", Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), "HTTP/1.1"),
      ("a frame larger than allowed", [0x7F, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1], "a frame of"),
      ("a head that is no HPACK", settings + frame(1, flags: 4, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), "RFC 7541"),
      ("a PING of seven bytes", settings + frame(6, stream: 0, Array(repeating: 0, count: 7)), "PING"),
      ("SETTINGS of five bytes", frame(4, stream: 0, Array(repeating: 0, count: 5)), "SETTINGS"),
      ("RST_STREAM of three bytes", settings + frame(3, [0, 0, 0]), "RST_STREAM"),
      ("a reset", settings + frame(3, [0, 0, 0, 11]), "ENHANCE_YOUR_CALM"),
      ("a GOAWAY of four bytes", settings + frame(7, stream: 0, [0, 0, 0, 0]), "GOAWAY"),
      ("a WINDOW_UPDATE of one byte", settings + frame(8, [1]), "WINDOW_UPDATE"),
      ("a push", settings + frame(5, flags: 4, [0, 0, 0, 2]), "push"),
      ("a continuation of nothing", settings + frame(9, flags: 4, [0x88]), "continuation"),
      (
        "an interrupted head", settings + frame(1, [0x88]) + frame(6, stream: 0, Array(repeating: 0, count: 8)),
        "interrupted"
      ),
      ("more padding than frame", settings + frame(0, flags: 8, [200, 0]), "padding"),
      ("a head without its priority", settings + frame(1, flags: 0x24, [0, 0]), "priority"),
      ("data on stream 0", settings + frame(0, stream: 0, [1]), "stream 0, which was not opened"),
      ("a head on stream 0", settings + frame(1, flags: 5, stream: 0, [0x88]), "stream 0, which was not opened"),
      ("a reset of stream 0", settings + frame(3, stream: 0, [0, 0, 0, 8]), "stream 0, which was not opened"),
      ("padded data on stream 0", settings + frame(0, flags: 9, stream: 0, [0, 1]), "stream 0, which was not opened"),
      ("a stream of the target's own", settings + frame(1, flags: 4, stream: 2, [0x88]), "stream 2"),
      ("a stream of the future", settings + frame(0, stream: 0x7FFF_FFFF, [1]), "stream 2147483647"),
      ("a window for a stream of the future", settings + frame(8, stream: 99, [0, 0, 0, 1]), "stream 99"),
      ("SETTINGS on a stream", frame(4, stream: 1), "connection on stream 1"),
      ("a PING on a stream", settings + frame(6, Array(repeating: 0, count: 8)), "connection on stream 1"),
      ("a window too large", settings + frame(8, stream: 0, [0x7F, 0xFF, 0xFF, 0xFF]), "a window of"),
      ("a stream's window too large", settings + frame(8, [0x7F, 0xFF, 0xFF, 0xFF]), "a window of"),
      ("an initial window too large", frame(4, stream: 0, [0, 4, 0xFF, 0xFF, 0xFF, 0xFF]), "a window of"),
      ("data within a head", settings + frame(1, [0x88]) + frame(0, [1]), "interrupted"),
      (
        "a continuation of another stream", settings + frame(1, [0x88]) + frame(9, flags: 4, stream: 3, [0x88]),
        "continuation"
      ),
      (
        "a head without end", settings + frame(1, []) + (0..<17).flatMap { _ in frame(9, blank) },
        "more than 256 KiB"
      ),
      (
        "a line without end",
        settings + frame(1, flags: 4, [0x88]) + (0..<65).flatMap { _ in frame(0, blank) } + frame(0, flags: 1),
        "a line of the stream"
      ),
      ("a status of nonsense", settings + frame(1, flags: 5, [0x08, 3] + Array("abc".utf8)), ""),
      (
        "a stream that ends before its marker", settings + frame(1, flags: 4, [0x88]) + frame(0, flags: 1, [0x0A]),
        "terminal marker"
      ),
      ("nothing at all", [], "closed"),
    ] as [(String, [UInt8], String)])
  func http2(what: String, bytes: [UInt8], expected: String) {
    let said = verdict(on: bytes, .h2c)
    #expect(!said.isEmpty && said.contains(expected), "\(what): \(said)")
  }

  @Test(
    arguments: [
      ("no HTTP", Array("220 mail.example ESMTP\r\n".utf8), ""),
      ("a chunk without a size", Array("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n".utf8), ""),
      ("a body cut short", Array("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc".utf8), ""),
      ("an error status", Array("HTTP/1.1 503 Sorry\r\ncontent-length: 0\r\n\r\n".utf8), "503"),
    ] as [(String, [UInt8], String)])
  func http1(what: String, bytes: [UInt8], expected: String) {
    let said = verdict(on: bytes, .http1)
    #expect(!said.isEmpty && said.contains(expected), "\(what): \(said)")
  }

  @Test(arguments: [
    (BenchSettings.Version.h2c, settings + frame(1, flags: 4, [0x88])),
    (.http1, Array("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".utf8)),
  ])
  func silenceIsATimeout(version: BenchSettings.Version, bytes: [UInt8]) {
    let said = verdict(on: bytes, version, connections: 1, thenCloses: false)
    #expect(said.contains("no token for 500 ms"), "\(said)")
  }

  @Test func randomFramesNeverTrap() {
    var generator = SeededNumbers(seed: 7541)
    for _ in 0..<40 {
      var bytes = Self.settings
      for _ in 0..<Int.random(in: 1...20, using: &generator) {
        let payload = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
          UInt8.random(in: 0...255, using: &generator)
        }
        bytes += Self.frame(
          .random(in: 0...10, using: &generator), flags: .random(in: 0...255, using: &generator),
          stream: .random(in: 0...3, using: &generator), payload)
      }
      #expect(!verdict(on: bytes, .h2c).isEmpty)
    }
  }
}
