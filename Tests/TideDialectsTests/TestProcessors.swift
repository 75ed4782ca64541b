import TideCore

@testable import TideDialects

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// Passes everything and remembers it by lane.
class RecordingProcessor: LaneProcessor {
  var seen: [LaneID: [UInt8]] = [:]
  var ended: [LaneID] = []
  override var channels: ChannelSet { [.text, .reasoning, .refusal] }

  override func laneDelta(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    precondition(UTF8Text.validPrefix(text) == text.count && !text.isEmpty)
    seen[lane, default: []] += text
    return change(lane, text, into: &out)
  }

  override func laneEnd(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
    precondition(!ended.contains(lane))
    ended.append(lane)
    return release(lane, into: &out)
  }

  func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    out.append(text)
    return .proceed
  }

  func release(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep { .proceed }
}

final class UpperCaser: RecordingProcessor {
  override func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    for byte in text { out.append(byte: byte >= 0x61 && byte <= 0x7A ? byte - 0x20 : byte) }
    return .proceed
  }
}

final class Dropper: RecordingProcessor {
  override func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    .proceed
  }
}

/// Holds everything to the lane's end.
final class Holder: RecordingProcessor {
  override func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    .proceed
  }
  override func release(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
    out.append(seen[lane] ?? [])
    return .proceed
  }
}

/// Replaces the word "secret" by "[x]" on whole words.
final class WordReplacer: RecordingProcessor {
  var segmenters: [LaneID: Segmenter] = [:]

  override func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    var found: [UInt8] = []
    segmenters[lane, default: Segmenter(unit: .word)].feed(text) { piece, isUnit in
      found += isUnit && piece.elementsEqual("secret".utf8) ? bytes("[x]") : Array(piece)
    }
    out.append(found)
    return .proceed
  }

  override func release(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
    var found: [UInt8] = []
    segmenters[lane]?.finish { piece, isUnit in
      found += isUnit && piece.elementsEqual("secret".utf8) ? bytes("[x]") : Array(piece)
    }
    out.append(found)
    return .proceed
  }
}

/// Cuts when a lane's text contains "stop here".
final class Cutter: RecordingProcessor {
  override var cut: LaneCut { LaneCut(finishReason: "content_filter", text: " [cut]") }
  override func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    if String(decoding: text, as: UTF8.self).contains("STOP") { return .cut }
    out.append(text)
    return .proceed
  }
}

/// Sees tool arguments too, and replaces "secret" in all it sees.
final class ArgumentReplacer: RecordingProcessor {
  override var channels: ChannelSet { [.text, .reasoning, .refusal, .toolArgs] }
  /// What the arguments' beginning gives way to; nil leaves it.
  var breaksJSON = false

  override func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    out.append(breaksJSON && lane.channel == .toolArgs ? "}" : "")
    return .proceed
  }

  override func release(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
    out.append(String(decoding: seen[lane] ?? [], as: UTF8.self).replacing("secret", with: "[x]"))
    return .proceed
  }
}

/// Runs a transcript of any dialect in the pieces given by `size` (0: all at once).
func run(
  _ dialect: Dialect, _ input: [UInt8], _ options: ChatStreamOptions, cutAt cut: Int? = nil, size: Int = 0,
  end: Bool = true
) -> (output: [UInt8], progress: StreamProgress, stream: AnswerStream) {
  let stream = AnswerStream(dialect, options: options)
  var out = ByteQueue()
  var progress = StreamProgress.streaming
  input.withUnsafeBytes { buffer in
    var places = [0]
    if let cut { places.append(cut) }
    if size > 0 { places += stride(from: size, to: buffer.count, by: size) }
    places.append(buffer.count)
    for index in 0..<places.count - 1 {
      progress = stream.receive(UnsafeRawBufferPointer(rebasing: buffer[places[index]..<places[index + 1]]), into: &out)
    }
  }
  if end { progress = stream.receiveEnd(into: &out) }
  return ([UInt8](out.readableBytes), progress, stream)
}

/// What a client gets of a failure.
func error(_ stream: AnswerStream, _ failure: StreamFailure) -> [UInt8] {
  var out = ByteQueue()
  stream.writeError(failure, into: &out)
  stream.writeError(failure, into: &out)
  return [UInt8](out.readableBytes)
}

/// A transcript with another line ending.
func bytes(_ text: String, ending: String) -> [UInt8] {
  text.utf8.flatMap { $0 == 0x0A ? Array(ending.utf8) : [$0] }
}

/// Bytes with a few random changes, some of them made of what matters to a parser.
func mutated(_ transcript: String, _ random: inout SeededNumbers) -> [UInt8] {
  var input = bytes(transcript)
  for _ in 0..<Int(random.next() % 6 + 1) {
    let place = Int(random.next() % UInt64(input.count))
    switch random.next() % 4 {
    case 0: input[place] = UInt8(truncatingIfNeeded: random.next())
    case 1: input.remove(at: place)
    case 2: input.insert(bytes("\"\\{}[]:,\r\n0123udF")[Int(random.next() % 16)], at: place)
    default: input.insert(contentsOf: input[place..<min(place + 160, input.count)], at: place)
    }
  }
  return input
}

/// Runs a transcript through a stream in the pieces given by `size` (0: all at once).
func run(
  _ input: [UInt8], _ options: ChatStreamOptions, cutAt cut: Int? = nil, size: Int = 0, end: Bool = true
) -> (output: [UInt8], progress: StreamProgress, stream: ChatStream) {
  let stream = ChatStream(options: options)
  var out = ByteQueue()
  var progress = StreamProgress.streaming
  input.withUnsafeBytes { buffer in
    var places = [0]
    if let cut { places.append(cut) }
    if size > 0 { places += stride(from: size, to: buffer.count, by: size) }
    places.append(buffer.count)
    for index in 0..<places.count - 1 {
      progress = stream.receive(UnsafeRawBufferPointer(rebasing: buffer[places[index]..<places[index + 1]]), into: &out)
    }
  }
  if end { progress = stream.receiveEnd(into: &out) }
  return ([UInt8](out.readableBytes), progress, stream)
}
