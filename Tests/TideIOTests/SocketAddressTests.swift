import Testing

@testable import TideIO

@Suite struct SocketAddressTests {
  @Test(arguments: [
    ("127.0.0.1:8080", "127.0.0.1:8080"), ("[::1]:443", "[::1]:443"), ("0.0.0.0:8443", "0.0.0.0:8443"),
    (":8080", "0.0.0.0:8080"), ("[2001:db8::7]:1", "[2001:db8::7]:1"), ("10.0.0.1:0", "10.0.0.1:0"),
  ])
  func parses(_ text: String, _ description: String) {
    #expect(SocketAddress(text)?.description == description)
  }

  @Test(arguments: [
    "", "8080", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "::1:80",
    "[127.0.0.1]:80", "[::1]", "1.2.3:80", "[::1]:8x",
  ])
  func refuses(_ text: String) {
    #expect(SocketAddress(text) == nil)
  }

  @Test func knowsWhoCanReachIt() throws {
    #expect(try #require(SocketAddress("127.9.9.9:1")).isLoopback)
    #expect(try #require(SocketAddress("[::1]:1")).isLoopback)
    #expect(try #require(SocketAddress("[::ffff:127.0.0.1]:1")).isLoopback)
    #expect(try #require(SocketAddress(":1")).isPublicWildcard)
    #expect(try #require(SocketAddress("[::]:1")).isPublicWildcard)
    #expect(try !#require(SocketAddress("10.1.1.1:1")).isPublicWildcard)
    for text in ["10.1.1.1:1", "172.31.0.1:1", "192.168.4.4:1", "[fd00::1]:1"] {
      #expect(try #require(SocketAddress(text)).isPrivate)
    }
    #expect(try !#require(SocketAddress("172.32.0.1:1")).isPrivate)
    #expect(try #require(SocketAddress("169.254.169.254:1")).isLinkLocal)
    #expect(try #require(SocketAddress("[fe80::1]:1")).isLinkLocal)
  }
}
