import Foundation
import Testing
import TideCore

@testable import TideIO

@Suite struct OpenSSLKeyTests {
  private func bytes(_ text: String) throws -> [UInt8] {
    try #require(Array(text.utf8).withUnsafeBytes { Base64.decode($0, .url) })
  }

  private func verifies(
    _ key: OpenSSLKey, _ algorithm: SignatureAlgorithm, _ message: [UInt8], _ signature: [UInt8]
  ) -> Bool {
    message.withUnsafeBytes { message in
      signature.withUnsafeBytes { key.verifies($0, of: message, by: algorithm) }
    }
  }

  /// A token of an RFC: verified, and refused with any one bit of its signature turned.
  private func check(_ key: OpenSSLKey, _ algorithm: SignatureAlgorithm, _ token: String) throws {
    let parts = token.split(separator: ".")
    let message = Array(parts.dropLast().joined(separator: ".").utf8)
    var signature = try bytes(String(parts[2]))
    #expect(verifies(key, algorithm, message, signature))
    for index in signature.indices {
      signature[index] ^= 0x10
      #expect(!verifies(key, algorithm, message, signature))
      signature[index] ^= 0x10
    }
    #expect(!verifies(key, algorithm, message + [0], signature))
    #expect(!verifies(key, algorithm, message, []))
    #expect(!verifies(key, algorithm, message, signature.dropLast()))
    #expect(!verifies(key, algorithm, message, signature + [0]))
    for other in SignatureAlgorithm.allCases where other != algorithm {
      #expect(!verifies(key, other, message, signature), "\(other)")
    }
  }

  @Test func tokensOfTheStandards() throws {
    // RFC 7515, appendices A.1 and A.3; RFC 8037, appendix A.4.
    let secret = try bytes(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    try check(
      .make(.secret(secret)), .hs256,
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\(claims).dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    try check(
      .make(
        .p256(
          x: bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
          y: bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
        )), .es256,
      "eyJhbGciOiJFUzI1NiJ9.\(claims)."
        + "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
    try check(
      .make(.ed25519(bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))), .edDSA,
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        + "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
  }

  @Test func secretsOfEveryDigest() throws {
    let key = try OpenSSLKey.make(.secret(Array("Jefe".utf8)))
    let message = Array("what do ya want for nothing?".utf8)
    // RFC 4231, test case 2.
    let digests: [(SignatureAlgorithm, String)] = [
      (.hs256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
      (
        .hs384,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
      ),
      (
        .hs512,
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
          + "caeab1a34d4a6b4b636e070a38bce737"
      ),
    ]
    for (algorithm, hex) in digests {
      let digits = Array(hex)
      let digest = stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16)! }
      #expect(verifies(key, algorithm, message, digest))
      #expect(!verifies(key, algorithm, message, digest.dropLast()))
    }
  }

  /// What the openssl program signs with a new RSA key.
  @Test(arguments: ["256", "384", "512"])
  func signaturesOfAnotherProgram(_ digest: String) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tide-key-\(getpid())-\(digest)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (keyPath, message) = (folder.appendingPathComponent("key").path, folder.appendingPathComponent("message"))
    try Data("the message".utf8).write(to: message)
    #expect(
      TestCertificates.openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", keyPath])
        .status == 0)
    let pem = TestCertificates.openssl(["pkey", "-in", keyPath, "-pubout"]).output
    let key = try OpenSSLKey.make(.pem(pem))
    #expect(key.kind == .rsa)
    for (family, options) in [
      ("RS", []), ("PS", ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]),
      // A salt of another length is not what RFC 7518 section 3.5 says.
      ("", ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:8"]),
    ] {
      let out = folder.appendingPathComponent("signature")
      let (status, output) = TestCertificates.openssl(
        ["dgst", "-sha\(digest)", "-sign", keyPath, "-out", out.path] + options + [message.path])
      #expect(status == 0, "\(output)")
      let signature = [UInt8](try Data(contentsOf: out))
      for algorithm in SignatureAlgorithm.allCases {
        #expect(
          verifies(key, algorithm, Array("the message".utf8), signature) == (algorithm.rawValue == family + digest),
          "\(family)\(digest) as \(algorithm)")
      }
    }
  }

  @Test func whatIsNoKeyIsRefused() throws {
    let small = TestCertificates.openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]).output
    let weak = TestCertificates.openssl(["pkey", "-pubout"], input: small).output
    func problem(_ material: KeyMaterial) -> String {
      do throws(KeyProblem) {
        _ = try OpenSSLKey.make(material)
        return ""
      } catch {
        return error.message
      }
    }
    #expect(problem(.pem(weak)) == "an RSA key of 1024 bits; it must have from 2048 to 8192")
    #expect(problem(.pem(small)) == "a key in PEM begins with -----BEGIN PUBLIC KEY-----")
    #expect(problem(.pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")) == "malformed")
    #expect(
      problem(
        .pem(
          "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END PUBLIC KEY-----"
        ))
        == "malformed", "nobody is asked for a passphrase")
    let modulus = [UInt8](repeating: 0xFF, count: 256)
    let exponent = "the exponent of an RSA key must be odd, above 1 and of at most 64 bits"
    #expect(problem(.rsa(modulus: modulus, exponent: [1])) == exponent)
    #expect(problem(.rsa(modulus: modulus, exponent: [1, 0])) == exponent)
    #expect(problem(.rsa(modulus: modulus, exponent: [1, 0, 1])) == "")
    #expect(problem(.rsa(modulus: [], exponent: [1, 0, 1])) != "")
    #expect(problem(.rsa(modulus: Array(repeating: 0xFF, count: 4_000), exponent: [3])) != "")
    #expect(
      problem(.p256(x: Array(repeating: 1, count: 32), y: Array(repeating: 2, count: 32))) == "malformed",
      "off the curve")
    #expect(problem(.p256(x: [1], y: [2])) == "the coordinates of P-256 have 32 bytes")
    #expect(problem(.p384(x: Array(repeating: 1, count: 32), y: Array(repeating: 2, count: 32))) != "")
    #expect(problem(.ed25519([1])) == "a key of Ed25519 has 32 bytes")
    let koblitz = TestCertificates.openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"])
      .output
    #expect(
      problem(.pem(TestCertificates.openssl(["pkey", "-pubout"], input: koblitz).output))
        == "a curve other than P-256 and P-384")
    let other = TestCertificates.openssl(["genpkey", "-algorithm", "X25519"]).output
    #expect(
      problem(.pem(TestCertificates.openssl(["pkey", "-pubout"], input: other).output))
        == "neither RSA nor P-256, P-384 or Ed25519")
  }
}
