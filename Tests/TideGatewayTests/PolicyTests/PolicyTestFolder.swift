import Glibc
import TideCore

@testable import TideGateway

/// A folder of policies and tests that is gone with its owner.
final class PolicyTestFolder {
  let path: String
  private var names: [String] = []

  init(_ files: [String: String]) {
    var template = Array("/tmp/tidegate-policytest-XXXXXX\0".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    for (name, text) in files { write(name, text) }
  }

  deinit {
    for name in names { unlink(path + "/" + name) }
    rmdir(path)
  }

  func write(_ name: String, _ text: String) {
    names.append(name)
    GatewayHarness.write(text, to: path + "/" + name)
  }

  /// Runs the tests of the folder.
  func run(filter: String? = nil) throws -> PolicyTestReport {
    try PolicyTests(folder: path, options: PolicyTests.Options(filter: filter)).run()
  }

  /// Runs one test, whose body is `body`, beside the policy `p`.
  static func run(_ policy: String, _ body: String) throws -> PolicyTestReport.Test {
    let folder = PolicyTestFolder([
      "p.lua": policy, "p_test.lua": "tide.test('it', function(t)\n\(body)\nend)\n",
    ])
    let report = try folder.run()
    guard let test = report.files.first?.tests.first else {
      throw Diagnostic(file: "", message: "no test ran: \(report.diagnostics)")
    }
    return test
  }
}
