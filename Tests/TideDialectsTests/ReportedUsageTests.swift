import TideCore
import Testing

@testable import TideDialects

@Suite struct ReportedUsageTests {
  private func usage(_ json: String, _ dialect: Dialect = .openAI) -> TokenUsage? {
    Array(json.utf8).withUnsafeBytes { AnswerBody.reportedUsage($0, dialect) }
  }

  @Test func isWhatTheTransformerOfTheAnswerReads() {
    let answers: [(Dialect, String)] = [
      (
        .openAI,
        #"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"\"usage\":{}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":8,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":2}}}"#
      ),
      (
        .responses,
        #"{"id":"r","object":"response","status":"completed","output":[],"usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}"#
      ),
      (
        .anthropic,
        #"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":{"input_tokens":4,"cache_read_input_tokens":6,"output_tokens":9}}"#
      ),
    ]
    for (dialect, json) in answers {
      let reader = AnswerBody(dialect, options: ChatStreamOptions())
      _ = reader.transform(Array(json.utf8))
      #expect(reader.usageSource == .upstream)
      #expect(usage(json, dialect) == reader.usage)
    }
  }

  @Test(arguments: [
    "", "[]", "null", "{", #"{"usage":"#, #"{"usage":{"prompt_tokens":1}"#, #"{"usage":null}"#, #"{"usage":7}"#,
    #"{"usage":{"prompt_tokens":1,}}"#, #"{"choices":[{"usage":{"prompt_tokens":1}}]}"#,
    #"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2}}"#, #"{"usage":{"prompt_tokens":1}} trailing"#,
    #"{"choices":nonsense,"usage":{"prompt_tokens":1}}"#,
  ])
  func saysNothingOfWhatIsNoAnswer(_ json: String) {
    #expect(usage(json) == nil)
  }

  @Test func everyCutOfAnAnswerSaysNothing() {
    let json = Array(#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3}}"#.utf8)
    for count in 0..<json.count {
      #expect(json[..<count].withUnsafeBytes { AnswerBody.reportedUsage($0, .openAI) } == nil)
    }
    #expect(json.withUnsafeBytes { AnswerBody.reportedUsage($0, .openAI) }?.completion == 3)
  }
}
