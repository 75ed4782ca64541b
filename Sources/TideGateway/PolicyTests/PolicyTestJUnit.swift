/// A run of tests as JUnit's XML has it, for build servers.
public enum PolicyTestJUnit {
  public static func xml(_ report: PolicyTestReport) -> String {
    var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    text += "<testsuites tests=\"\(report.testCount)\" failures=\"\(report.failureCount)\">\n"
    for file in report.files { text += suite(file) }
    return text + "</testsuites>\n"
  }

  private static func suite(_ file: PolicyTestReport.File) -> String {
    let failures = file.tests.count { $0.failure != nil }
    var text =
      "  <testsuite name=\"\(escaped(file.policy))\" file=\"\(escaped(file.path))\" tests=\"\(file.tests.count)\""
    text += " failures=\"\(failures)\" errors=\"\(file.problem == nil ? 0 : 1)\" time=\"\(seconds(file.tests))\">\n"
    if let problem = file.problem {
      text += "    <testcase classname=\"\(escaped(file.policy))\" name=\"(loading)\">"
      text += "<error message=\"\(escaped(problem.message))\">\(escaped("\(problem)"))</error></testcase>\n"
    }
    for test in file.tests {
      text +=
        "    <testcase classname=\"\(escaped(file.policy))\" name=\"\(escaped(test.name))\" time=\"\(seconds([test]))\""
      guard let failure = test.failure else {
        text += "/>\n"
        continue
      }
      let first = failure.message.split(separator: "\n").first.map(String.init) ?? ""
      text += ">\n      <failure message=\"\(escaped(first))\">"
      let more = failure.evidence.logLines(isWhole: false) + failure.evidence.transcript(isWhole: false)
      let lines = ["\(failure.file):\(failure.line): \(failure.message)"] + more.map { "  " + $0 }
      text += escaped(lines.joined(separator: "\n")) + "</failure>\n    </testcase>\n"
    }
    return text + "  </testsuite>\n"
  }

  private static func seconds(_ tests: [PolicyTestReport.Test]) -> String {
    let microseconds = Int(tests.reduce(0) { $0 + $1.milliseconds } * 1000)
    let fraction = String(1_000_000 + microseconds % 1_000_000).dropFirst()
    return "\(microseconds / 1_000_000).\(fraction)"
  }

  /// Text for an attribute or an element; characters that XML 1.0 has no word for become a question mark.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n": result += "&#10;"
      case "\t": result += "&#9;"
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: result += "?"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
