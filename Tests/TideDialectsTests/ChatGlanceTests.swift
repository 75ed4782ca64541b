import Testing
import TideCore

@testable import TideDialects

/// The look that counts tokens where no policy reads them.
@Suite struct ChatGlanceTests {
  private func glance(_ text: String) -> ChatGlance {
    var text = text
    return text.withUTF8 { ChatGlance(UnsafeRawBufferPointer($0)) }
  }

  private static let notable = [
    #"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, #"{"choices":[{"finish_reason" : "length"}]}"#,
    #"{"choices":[],"usage":{"total_tokens":3}}"#, #"{"error":{"message":"m"}}"#, #"{"x":1,"error" :"m"}"#,
  ]

  private static let content: [(json: String, bytes: Int)] = [
    (#"{"choices":[{"delta":{"content":"Hello"},"finish_reason":null}]}"#, 5),
    (#"{"choices":[{"delta":{"content" : "a:b \"content\":\"c\" {\"usage\":{}}"}}],"usage":null}"#, 36),
    (#"{"choices":[{"delta":{"reasoning_content":"abc"}}]}"#, 3), (#"{"choices":[{"delta":{"reasoning":"abcd"}}]}"#, 4),
    (#"{"choices":[{"delta":{"refusal":"No."}}]}"#, 3), (#"{"choices":[{"text":"légal"}]}"#, 6),
    (#"{"choices":[{"delta":{"content":"::::::::::::::::"}}]}"#, 16),
    (#"{"choices":[{"delta":{"content":"one"}},{"delta":{"content":"two"}}],"error":null}"#, 6),
    (#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\"a\":1}"}}]}}]}"#, 0),
  ]

  private static let silent = [
    #"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#, "{}", "", ":",
    "::::::::", "\":\":", #"{"choices":[{"delta":{"content":null}}]}"#, #"{"discontent":"x","pretext":"y"}"#,
    #"{"mycontent":"a","context":"b","my_error":{"a":1},"sausage":{"a":1},"season":"x"}"#, #"{"content":"#,
    #"{"finish_reason":1,"content":7,"arguments":{"a":1}}"#, #"{"tokens":"x","agents":"y","tent":"z","ents":"q"}"#,
  ]

  /// White space before the object moves everything: a look that takes several bytes at once meets each colon at each place.
  @Test("Sees the same wherever an event stands", arguments: 0..<9)
  func places(shift: Int) {
    let space = String(repeating: " ", count: shift)
    for json in Self.notable { #expect(glance(space + json).isNotable, "\(json)") }
    for (json, bytes) in Self.content {
      let seen = glance(space + json)
      #expect(!seen.isNotable && seen.hasContent && seen.textByteCount == bytes, "\(json): \(seen)")
    }
    for json in Self.silent {
      let seen = glance(space + json)
      #expect(!seen.isNotable && !seen.hasContent && seen.textByteCount == 0, "\(json): \(seen)")
    }
  }

  @Test("An event cut anywhere is looked at to its end and no further")
  func cuts() {
    for json in Self.notable + Self.content.map(\.json) + Self.silent {
      let bytes = Array(json.utf8)
      for count in 0...bytes.count {
        // Memory of its own, so that a read beyond it is seen by the tools that watch memory.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes[..<count])
        let seen = ChatGlance(UnsafeRawBufferPointer(copy))
        #expect(seen.textByteCount <= count)
      }
    }
  }
}
