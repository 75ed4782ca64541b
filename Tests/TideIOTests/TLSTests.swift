import Foundation
import TideCore
import Testing

@testable import TideIO

@Suite struct TLSTests {
  static func server(
    _ certificates: [TLSCertificate] = [TestCertificates.plain], protocols: [ApplicationProtocol] = [.h2, .http11],
    clientCA: String? = nil
  ) throws -> TLSServerContext {
    try TLSServerContext(certificates: certificates, protocols: protocols, clientCA: clientCA)
  }

  static func client(
    trusting certificate: TLSCertificate = TestCertificates.plain, protocols: [ApplicationProtocol] = [.h2, .http11]
  ) throws -> TLSClientContext {
    try TLSClientContext(ca: .file(certificate.certificatePath), protocols: protocols)
  }

  @Test(arguments: [
    ([ApplicationProtocol.http11, .h2], ApplicationProtocol?.some(.h2)), ([.http11], .http11), ([], nil),
  ])
  func serverPreferenceDecides(_ offered: [ApplicationProtocol], _ chosen: ApplicationProtocol?) throws {
    let harness = Harness()
    let (address, server) = harness.listen(tls: try Self.server(), .echo)
    let client = harness.connect(
      to: address, tls: try Self.client(protocols: offered), serverName: "a.test",
      Behaviour(opened: { $0.write([1]) }, received: { probe, _ in probe.close() }))
    #expect(client.wait { $0.closed == 1 } && server.wait { $0.closed == 1 })
    #expect(client.now.opened == 1 && server.now.opened == 1)
    #expect(client.now.applicationProtocol == chosen && server.now.applicationProtocol == chosen)
    #expect(server.now.ends == [true] && server.now.failures.isEmpty && client.now.failures.isEmpty)
  }

  @Test func noCommonProtocolIsAnAlert() throws {
    let harness = Harness()
    let (address, server) = harness.listen(tls: try Self.server(protocols: [.h2]), Behaviour())
    let client = harness.connect(
      to: address, tls: try Self.client(protocols: [.http11]), serverName: "a.test", Behaviour())
    #expect(client.wait { $0.closed == 1 } && server.wait { $0.closed == 1 })
    #expect(client.now.failures.first?.phase == .handshake)
    #expect(client.now.failures.first?.reason.contains("no application protocol") == true)
    #expect(server.now.failures.count == 1 && server.now.opened == 0)
  }

  @Test func theServerNameChoosesTheCertificate() throws {
    let harness = Harness()
    let both = try Self.server([TestCertificates.plain, TestCertificates.wildcard])
    let (address, _) = harness.listen(tls: both, .echo)
    for (name, certificate, isRight) in [
      ("x.b.test", TestCertificates.wildcard, true), ("a.test", TestCertificates.plain, true),
      ("x.y.b.test", TestCertificates.wildcard, false),
    ] {
      let client = harness.connect(
        to: address, tls: try Self.client(trusting: certificate), serverName: name, Behaviour(opened: { $0.close() }))
      #expect(client.wait { $0.closed == 1 })
      #expect(client.now.opened == (isRight ? 1 : 0), "\(name): \(client.now.failures)")
      // Resolved by ALPN of the chosen certificate's context as well.
      if isRight { #expect(client.now.applicationProtocol == .h2) }
    }
  }

  @Test func namesOfTheConfigurationCoverOneLabel() {
    let certificate = TLSCertificate(certificatePath: "", keyPath: "", names: ["*.Example.com", "example.org"])
    #expect(certificate.covers("API.example.com") && certificate.covers("example.org"))
    #expect(!certificate.covers("a.b.example.com") && !certificate.covers("example.com"))
    #expect(!certificate.covers(".example.com") && !certificate.covers("x.example.org"))
  }

  @Test func anAddressIsVerifiedToo() throws {
    let harness = Harness()
    let (address, _) = harness.listen(tls: try Self.server(), .echo)
    let right = harness.connect(to: address, tls: try Self.client(), Behaviour(opened: { $0.close() }))
    #expect(right.wait { $0.closed == 1 } && right.now.opened == 1)
    let wrong = harness.connect(to: address, tls: try Self.client(), serverName: "127.0.0.2", Behaviour())
    #expect(wrong.wait { $0.closed == 1 } && wrong.now.opened == 0)
    #expect(wrong.now.failures.first?.reason.contains("IP address mismatch") == true)
  }

  @Test func verificationFailuresSayWhy() throws {
    let harness = Harness()
    let (address, _) = harness.listen(tls: try Self.server(), .echo)
    let misnamed = harness.connect(to: address, tls: try Self.client(), serverName: "other.test", Behaviour())
    #expect(misnamed.wait { $0.closed == 1 })
    #expect(misnamed.now.failures.map(\.description) == ["handshake: certificate verify failed: hostname mismatch"])
    let unknown = harness.connect(to: address, tls: try TLSClientContext(), serverName: "a.test", Behaviour())
    #expect(unknown.wait { $0.closed == 1 })
    #expect(unknown.now.failures.first?.reason.contains("self-signed certificate") == true)
    let careless = harness.connect(
      to: address, tls: try TLSClientContext(verify: false), serverName: "other.test",
      Behaviour(opened: { $0.close() }))
    #expect(careless.wait { $0.closed == 1 } && careless.now.opened == 1)
  }

  @Test func anEndWithoutCloseNotifyIsATruncation() throws {
    let harness = Harness()
    let (address, server) = harness.listen(
      tls: try Self.server(),
      Behaviour(ended: {
        // Output into a broken session goes nowhere and does not hold the close.
        $0.write([1, 2, 3])
        $0.close()
      }))
    let client = harness.connect(
      to: address, tls: try Self.client(), serverName: "a.test",
      Behaviour(
        opened: {
          $0.write([9])
          $0.pauseReading()
          let me = OnWorker(value: $0)
          // A later turn, when the byte has left.
          $0.worker.post { _ in shutdown(me.value.descriptor, Int32(SHUT_WR)) }
        }))
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.ends == [false] && server.now.received == [9])
    #expect(client.now.opened == 1)
  }

  @Test func largeTransfersBothWaysAtOnce() throws {
    let harness = Harness()
    let total = 6 << 20
    let (address, server) = harness.listen(tls: try Self.server(), .echo)
    let client = harness.connect(
      to: address, tls: try Self.client(), serverName: "a.test",
      Behaviour(
        opened: { $0.write(pattern(6 << 20)) },
        received: { probe, _ in if probe.recorder.now.received.count == 6 << 20 { probe.close() } }))
    #expect(client.wait { $0.closed == 1 } && server.wait { $0.closed == 1 })
    let data = pattern(total)
    #expect(client.now.received == data && server.now.received == data)
    #expect(server.now.ends == [true] && client.now.failures.isEmpty)
  }

  @Test func garbageIsAHandshakeFailure() throws {
    let harness = Harness()
    let (address, server) = harness.listen(tls: try Self.server(), Behaviour())
    let peer = RawPeer(to: address)
    peer.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.failures.first?.phase == .handshake)
    #expect(server.now.failures.first?.reason == "http request")
  }

  @Test func oldVersionsAndMissingClientCertificatesAreRefused() throws {
    let harness = Harness()
    let mutual = try Self.server(clientCA: TestCertificates.client.certificatePath)
    let (address, server) = harness.listen(
      tls: mutual,
      Behaviour(received: { probe, bytes in
        probe.write(bytes)
        probe.close()
      }))
    let anonymous = harness.connect(to: address, tls: try Self.client(), serverName: "a.test", Behaviour())
    #expect(anonymous.wait { $0.closed == 1 } && server.wait { $0.closed == 1 })
    #expect(server.now.failures.first?.reason.contains("peer did not return a certificate") == true)

    let known = TestCertificates.client
    let (_, output) = TestCertificates.openssl(
      ["s_client", "-connect", address.description, "-cert", known.certificatePath, "-key", known.keyPath, "-quiet"],
      input: "hello mutual\n")
    #expect(output.contains("hello mutual"))
    #expect(server.now.applicationProtocol == nil)

    let (status, _) = TestCertificates.openssl(
      ["s_client", "-connect", address.description, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], input: "")
    #expect(status != 0)
  }

  @Test func filesAreNamedInErrors() {
    let good = TestCertificates.plain
    let missing = #expect(throws: Diagnostic.self) {
      try TLSServerContext(certificates: [TLSCertificate(certificatePath: "/no/such.pem", keyPath: good.keyPath)])
    }
    #expect(missing?.file == "/no/such.pem" && missing?.message.hasPrefix("cannot load the certificate") == true)
    let mixed = #expect(throws: Diagnostic.self) {
      try TLSServerContext(certificates: [
        TLSCertificate(certificatePath: good.certificatePath, keyPath: TestCertificates.wildcard.keyPath)
      ])
    }
    #expect(mixed?.file == TestCertificates.wildcard.keyPath)
    let authority = #expect(throws: Diagnostic.self) { try TLSClientContext(ca: .file("/no/ca.pem")) }
    #expect(authority?.file == "/no/ca.pem")
  }

  @Test func ticketsAreGoodForAnyContextWithTheSameKeys() throws {
    let harness = Harness()
    let keys = TLSTicketKeys()
    let ticket = FileManager.default.temporaryDirectory.appendingPathComponent("tide-ticket-\(getpid())").path
    defer { unlink(ticket) }
    func greeting(_ keys: TLSTicketKeys, _ option: String) throws -> String {
      let context = try TLSServerContext(certificates: [TestCertificates.plain], ticketKeys: keys)
      let (address, _) = harness.listen(tls: context, Behaviour())
      return TestCertificates.openssl(
        ["s_client", "-tls1_2", "-connect", address.description, option, ticket], input: "Q\n"
      ).output
    }
    #expect(try greeting(keys, "-sess_out").contains("New, TLSv1.2"))
    #expect(try greeting(keys, "-sess_in").contains("Reused, TLSv1.2"))
    #expect(try greeting(TLSTicketKeys(), "-sess_in").contains("New, TLSv1.2"))
  }
}
