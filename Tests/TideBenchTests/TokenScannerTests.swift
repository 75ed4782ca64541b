import Testing
import TideCore

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

  @Test func aLineHasALimit() {
    let token = Array((#"data: {"choices":[{"delta":{"content":"a"}}]}"# + "\n\n").utf8)
    func blank(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x20, count: count) + [0x0A] }
    for size in [1000, 16_384] {
      let (all, within) = scan(token + blank(TokenScanner.lineLimit - 2 * size) + token, pieces: size)
      #expect(all == [0, 0] && !within.isOverlong, "\(size)")
      let (first, beyond) = scan(token + blank(TokenScanner.lineLimit + size) + token, pieces: size)
      #expect(first == [0] && beyond.isOverlong, "\(size)")
    }
  }

  @Test func mutatedStreamsNeverTrapAndDoNotDependOnTheCut() {
    let valid = Array(
      (#"data: {"choices":[{"delta":{"content":"a"}}],"due":17}"# + "\n\n"
        + #"data: {"type":"content_block_delta","delta":{"text":"b"},"due":99999999999999999999999}"# + "\r\n\n"
        + #"data: {"error":{}}"# + "\n\ndata: [DONE]\n\n").utf8)
    var generator = SeededNumbers(seed: 3)
    for _ in 0..<2000 {
      var bytes = valid
      for _ in 0...Int.random(in: 0...4, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0...2, using: &generator) {
        case 0: bytes[place] = .random(in: 0...255, using: &generator)
        case 1: bytes.insert(contentsOf: Array("\n\"due\":".utf8), at: place)
        default: bytes.removeSubrange(place..<min(bytes.count, place + 9))
        }
        if bytes.isEmpty { bytes = valid }
      }
      let whole = scan(bytes, pieces: bytes.count)
      let cut = scan(bytes, pieces: Int.random(in: 1...30, using: &generator))
      #expect(
        whole.due == cut.due && whole.scanner.isDone == cut.scanner.isDone
          && whole.scanner.hasError == cut.scanner.hasError, "\(String(decoding: bytes, as: UTF8.self))")
    }
  }

  @Test func whatIsNoEventIsNoToken() {
    var generator = SeededNumbers(seed: 12)
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
