import Foundation
import Testing

/// Reads streams of named events as a client would, and says what no client should see.
enum EventReader {
  typealias Object = [String: Any]

  /// The events of a stream; comments are passed over.
  ///
  /// - Parameter isHonest: the upstream meant well, so that every event is JSON whose type is its name.
  static func events(_ stream: [UInt8], isHonest: Bool = true) -> [Object] {
    var found: [Object] = []
    let lines = String(decoding: stream, as: UTF8.self).replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    for block in lines.split(separator: "\n\n") {
      var name = ""
      var lines: [Substring] = []
      for line in block.split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count < 2 ? "" : parts[1].hasPrefix(" ") ? parts[1].dropFirst() : parts[1]
        if parts[0] == "event" { name = String(value) }
        if parts[0] == "data" { lines.append(value) }
      }
      let data = lines.joined(separator: "\n")
      guard !data.isEmpty else { continue }
      guard let object = try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? Object else {
        if isHonest { Issue.record("not JSON: \(data)") }
        continue
      }
      if isHonest { #expect(object["type"] as? String == name) }
      found.append(object)
    }
    return found
  }
}

/// A Messages answer as a client puts it together.
struct ReadMessage {
  struct Block: Equatable {
    var type: String
    var text = ""
    var isOpen = true
  }

  var blocks: [Block] = []
  var stopReason: String?
  var outputTokens: Int?
  var hasEnded = false
  var hasError = false

  /// Follows the dialect's grammar; every breach is an issue.
  init(_ stream: [UInt8], isHonest: Bool = true) {
    var hasStarted = false
    for event in EventReader.events(stream, isHonest: isHonest) {
      #expect(!hasEnded && !hasError, "nothing follows the end")
      let index = event["index"] as? Int ?? -1
      switch event["type"] as? String {
      case "message_start":
        #expect(!hasStarted)
        hasStarted = true
      case "content_block_start":
        #expect(hasStarted && stopReason == nil)
        #expect(index == blocks.count, "indexes rise")
        let block = event["content_block"] as? EventReader.Object ?? [:]
        blocks.append(
          Block(type: block["type"] as? String ?? "", text: block["text"] as? String ?? ""))
      case "content_block_delta":
        guard blocks.indices.contains(index), blocks[index].isOpen else {
          Issue.record("a delta of a block that is not open")
          continue
        }
        let delta = event["delta"] as? EventReader.Object ?? [:]
        blocks[index].text +=
          (delta["text"] ?? delta["thinking"] ?? delta["partial_json"]) as? String ?? ""
      case "content_block_stop":
        guard blocks.indices.contains(index), blocks[index].isOpen else {
          Issue.record("the end of a block that is not open")
          continue
        }
        blocks[index].isOpen = false
      case "message_delta":
        #expect(blocks.allSatisfy { !$0.isOpen }, "blocks close before the stop reason")
        stopReason = (event["delta"] as? EventReader.Object)?["stop_reason"] as? String
        outputTokens = (event["usage"] as? EventReader.Object)?["output_tokens"] as? Int
      case "message_stop":
        #expect(hasStarted && blocks.allSatisfy { !$0.isOpen })
        hasEnded = true
      case "error": hasError = true
      case "ping": break
      default: if isHonest { Issue.record("an unknown event: \(event)") }
      }
    }
  }

  var text: String { blocks.filter { $0.type == "text" }.map(\.text).joined(separator: "|") }
}

/// A Responses answer as a client puts it together, from the deltas; whatever repeats them must say the same.
struct ReadResponse {
  var texts: [String: String] = [:]
  var done: [String: String] = [:]
  var types: [String] = []
  var status: String?
  var reason: String?
  var output: [EventReader.Object] = []

  init(_ stream: [UInt8]) {
    var last: Int?
    for event in EventReader.events(stream) {
      let type = event["type"] as? String ?? ""
      types.append(type)
      #expect(status == nil, "nothing follows the end")
      let sequence = event["sequence_number"] as? Int ?? -1
      if let last { #expect(sequence == last + 1, "sequence numbers have no gaps") }
      last = sequence
      let item = event["output_index"] as? Int ?? -1
      let part = event["content_index"] as? Int ?? event["summary_index"] as? Int ?? 0
      if type.hasSuffix(".delta") {
        let key = "\(item).\(part)"
        #expect(done[key] == nil, "a delta after its end")
        #expect(event["delta"] as? String != "", "an empty delta")
        texts[key, default: ""] += event["delta"] as? String ?? ""
      } else if type.hasSuffix("_part.done") {
        repeated("\(item).\(part)", event["part"])
      } else if type == "response.output_item.done" {
        repeatedItem(item, event["item"])
      } else if type.hasSuffix(".done") {
        repeated("\(item).\(part)", event)
      } else if ["response.completed", "response.incomplete", "response.failed"].contains(type) {
        let response = event["response"] as? EventReader.Object ?? [:]
        status = response["status"] as? String
        reason = (response["incomplete_details"] as? EventReader.Object)?["reason"] as? String
        #expect(type == "response.\(status ?? "")")
        output = response["output"] as? [EventReader.Object] ?? []
        for (index, item) in output.enumerated() where type != "response.failed" { repeatedItem(index, item) }
        if let all = response["output_text"] as? String { #expect(all == text) }
      }
    }
  }

  private mutating func repeatedItem(_ index: Int, _ item: Any?) {
    guard let item = item as? EventReader.Object else { return }
    let parts = (item["content"] as? [Any] ?? []) + (item["summary"] as? [Any] ?? [])
    for (place, part) in parts.enumerated() { repeated("\(index).\(place)", part) }
    if item["arguments"] != nil { repeated("\(index).0", item) }
  }

  private mutating func repeated(_ key: String, _ object: Any?) {
    guard let object = object as? EventReader.Object,
      let text = (object["text"] ?? object["refusal"] ?? object["arguments"]) as? String
    else { return }
    // What no delta told is told here for the first time.
    let known = texts[key] ?? done[key] ?? text
    #expect(text == known, "\(key) repeats what went out")
    done[key] = text
  }

  /// The text of all messages.
  var text: String {
    let keys = Set(texts.keys).union(done.keys).sorted()
    return keys.map { done[$0] ?? texts[$0] ?? "" }.joined()
  }
}
