import TideCore

/// The members that all chunks of one answer share (`id`, `model`, ...), for the events that the gateway writes itself.
struct ChatTemplate {
  /// `{"id":...,` and so on: what stands before `"choices"`.
  private let prefix: [UInt8]

  /// Takes the members over from an event of the upstream's.
  init(_ data: UnsafeRawBufferPointer, renameModel: String?) {
    var out = Array("{".utf8)
    var scanner = JSONScanner(data)
    guard scanner.enterObject() else {
      self.init(id: "chatcmpl-tidegate", model: renameModel ?? "", created: 0)
      return
    }
    while let key = scanner.nextKey() {
      let isModel = scanner.equals(key, "model")
      let isShared =
        isModel || scanner.equals(key, "id") || scanner.equals(key, "object") || scanner.equals(key, "created")
        || scanner.equals(key, "system_fingerprint") || scanner.equals(key, "service_tier")
        || scanner.equals(key, "provider")
      guard let value = scanner.skipValue() else { break }
      guard isShared else { continue }
      out += data[key.quoted]
      out.append(UInt8(ascii: ":"))
      if isModel, let renameModel { out += JSONText.quoted(renameModel) } else { out += data[value] }
      out.append(UInt8(ascii: ","))
    }
    self.init(prefix: out)
  }

  /// Makes the members up, for an answer that has no event of the upstream's.
  init(id: String, model: String, created: Int) {
    var out = Array("{\"id\":".utf8)
    out += JSONText.quoted(id)
    out += Array(",\"object\":\"chat.completion.chunk\",\"created\":\(created),\"model\":".utf8)
    out += JSONText.quoted(model)
    out.append(UInt8(ascii: ","))
    self.init(prefix: out)
  }

  private init(prefix: [UInt8]) { self.prefix = prefix }

  /// Writes an event with one piece of text.
  func writeText(
    _ text: UnsafeRawBufferPointer, choice: Int32, key: ChatEvent.TextKey, withRole: Bool, into out: inout ByteQueue
  ) {
    begin(choice, into: &out)
    if key == .legacyText {
      out.append("\"text\":\"")
    } else {
      out.append(withRole ? "\"delta\":{\"role\":\"assistant\",\"" : "\"delta\":{\"")
      out.append(key.name)
      out.append("\":\"")
    }
    JSONText.escape(text, into: &out)
    out.append(key == .legacyText ? "\"" : "\"}")
    out.append(",\"finish_reason\":null}]}\n\n")
  }

  /// Writes a choice's finish event.
  func writeFinish(_ reason: String, choice: Int32, isLegacy: Bool, into out: inout ByteQueue) {
    begin(choice, into: &out)
    out.append(isLegacy ? "\"text\":\"\",\"finish_reason\":" : "\"delta\":{},\"finish_reason\":")
    JSONText.quote(reason, into: &out)
    out.append("}]}\n\n")
  }

  /// Writes the usage event.
  func writeUsage(_ usage: TokenUsage, into out: inout ByteQueue) {
    out.append("data: ")
    out.append(prefix)
    out.append("\"choices\":[],\"usage\":")
    usage.writeChat(into: &out)
    out.append("}\n\n")
  }

  /// Opens an event and its choice.
  func begin(_ choice: Int32, into out: inout ByteQueue) {
    out.append("data: ")
    out.append(prefix)
    out.append("\"choices\":[{\"index\":\(choice)," as String)
  }
}
