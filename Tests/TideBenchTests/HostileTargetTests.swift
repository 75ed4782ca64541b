import Glibc
import Testing
import TideCore

@testable import TideBench

/// A listener that answers whatever comes with the same bytes, then closes.
private final class RawTarget: Sendable {
  let port: UInt16
  private let descriptor: Int32

  init(answering bytes: [UInt8]) {
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
    let thread = Served(descriptor: descriptor, bytes: bytes)
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

    init(descriptor: Int32, bytes: [UInt8]) {
      self.descriptor = descriptor
      self.bytes = bytes
    }

    func run() {
      var buffer = [UInt8](repeating: 0, count: 4096)
      while true {
        let peer = accept(descriptor, nil, nil)
        guard peer >= 0 else { break }
        // The request is there before the answer, so that the answer belongs to it.
        _ = recv(peer, &buffer, buffer.count, 0)
        _ = send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        shutdown(peer, Int32(SHUT_WR))
        while recv(peer, &buffer, buffer.count, 0) > 0 {}
        close(peer)
      }
      close(descriptor)
    }
  }
}

@Suite struct HostileTargetTests {
  /// Runs two streams against the target; what the client says of it.
  private func verdict(on bytes: [UInt8], _ version: BenchSettings.Version) -> String {
    let target = RawTarget(answering: bytes)
    defer { target.stop() }
    var settings = BenchSettings(url: "http://127.0.0.1:\(target.port)")
    settings.version = version
    settings.connections = [2]
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

  @Test func randomFramesNeverTrap() {
    var generator = SystemRandomNumberGenerator()
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
