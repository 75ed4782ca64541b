import Testing

@testable import TideBench

@Suite struct TokenScannerTests {
  /// The instants of the tokens found when the stream comes in pieces of `size` bytes, and the scanner afterwards.
  private func scan(_ stream: [UInt8], pieces size: Int) -> (due: [UInt64], scanner: TokenScanner) {
    var scanner = TokenScanner()
    var due: [UInt64] = []
    var start = 0
    while start < stream.count {
      let end = min(start + size, stream.count)
      stream[start..<end].withUnsafeBytes { scanner.feed($0) { due.append($0) } }
      start = end
    }
    return (due, scanner)
  }

  @Test func tokensAreFoundHoweverTheChunksWereCut() {
    let stream = Array(
      (#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"# + "\n\n"
        + #"data: {"choices":[{"index":0,"delta":{"content":"a"}}],"due":17}"# + "\n\n" + ": note\n\n"
        + #"data: {"choices":[{"index":0,"delta":{"content":"\n\"b"}}],"due":123,"usage":null}"# + "\r\n\r\n"
        + #"data: {"choices":[{"text":"c"}]}"# + "\n\n" + #"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#
        + "\n\ndata: [DONE]\n\n").utf8)
    for size in 1...stream.count {
      let (due, scanner) = scan(stream, pieces: size)
      #expect(due == [17, 123, 0], "\(size)")
      #expect(scanner.isDone && !scanner.hasError)
    }
  }

  @Test func messagesOfTheOtherDialect() {
    let stream = Array(
      ("event: content_block_delta\n"
        + #"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"tide"},"due":9}"#
        + "\n\nevent: message_stop\n" + #"data: {"type":"message_stop"}"# + "\n\n").utf8)
    for size in 1...stream.count {
      let (due, scanner) = scan(stream, pieces: size)
      #expect(due == [9], "\(size)")
      #expect(scanner.isDone)
    }
  }

  @Test func errorEventsAreSeen() {
    for text in [#"data: {"error":{"message":"x"}}"#, #"data:{"type":"error","error":{}}"#] {
      let (due, scanner) = scan(Array((text + "\n\n").utf8), pieces: 5)
      #expect(due.isEmpty && scanner.hasError && !scanner.isDone)
    }
  }

  @Test func whatIsNoEventIsNoToken() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<500 {
      let noise = (0..<Int.random(in: 0...300, using: &generator)).map { _ in
        // Line ends and quotes are common enough here to reach the inner branches.
        [UInt8(0x0A), 0x22, UInt8(ascii: ":"), .random(in: 0...255, using: &generator)].randomElement(
          using: &generator)!
      }
      let (due, _) = scan(noise, pieces: Int.random(in: 1...20, using: &generator))
      #expect(due.isEmpty)
    }
  }
}
