import Foundation
import TideCore

/// Diagnostics on standard error, one a line, in the form editors understand.
enum Problems {
  static func print(_ diagnostics: [Diagnostic]) {
    let text = diagnostics.map { "\($0)\n" }.joined()
    FileHandle.standardError.write(Data(text.utf8))
  }
}
