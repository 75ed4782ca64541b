import Foundation

@testable import TideIO

/// Self-signed certificates, made once per test run by the openssl program.
enum TestCertificates {
  static let plain = make("plain", names: "DNS:a.test,IP:127.0.0.1")
  static let wildcard = make("wildcard", names: "DNS:*.b.test")
  static let client = make("client", names: "DNS:client.test")
  /// Of about 80 KB.
  static let large = make("large", names: (0..<2_600).map { "DNS:name-number-\($0).large.test" }.joined(separator: ","))

  private static let directory: URL = {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("tide-io-\(getpid())")
    try! FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url
  }()

  private static func make(_ name: String, names: String) -> TLSCertificate {
    let certificate = directory.appendingPathComponent("\(name).pem").path
    let key = directory.appendingPathComponent("\(name).key").path
    let (status, output) = openssl([
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
      certificate, "-days", "30", "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(names)",
    ])
    precondition(status == 0, output)
    return TLSCertificate(certificatePath: certificate, keyPath: key)
  }

  /// Runs the openssl program with `input` on its standard input.
  static func openssl(_ arguments: [String], input: String = "") -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = arguments
    let output = Pipe()
    let standardInput = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = standardInput
    try! process.run()
    try? standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try? standardInput.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}
