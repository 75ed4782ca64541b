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

/// Addresses that a policy's call may or may not reach.
struct AddressReachTests {
  @Test(arguments: [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.9",
    "224.0.0.1",
    "255.255.255.255", "168.63.129.16", "100.100.100.200", "::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1", "2001:db8::1", "100::1",
  ])
  func notPublic(text: String) throws {
    let address = try #require(SocketAddress(host: text, port: 80))
    #expect(!address.isPublic)
  }

  @Test(arguments: [
    "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111",
    "2a00:1450::1", "2001:4860:4860::8888",
  ])
  func isPublic(text: String) throws {
    let address = try #require(SocketAddress(host: text, port: 80))
    #expect(address.isPublic && !address.isNeverCalled)
  }

  @Test(arguments: [
    "169.254.169.254", "169.254.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200",
    "fe80::1", "ff02::1",
    "::", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254",
  ])
  func neverCalled(text: String) throws {
    let address = try #require(SocketAddress(host: text, port: 80))
    #expect(address.isNeverCalled)
  }

  @Test(arguments: ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fd00::1", "::ffff:10.0.0.1", "8.8.8.8"])
  func theOperatorMayNameIt(text: String) throws {
    let address = try #require(SocketAddress(host: text, port: 80))
    #expect(!address.isNeverCalled)
  }
}
