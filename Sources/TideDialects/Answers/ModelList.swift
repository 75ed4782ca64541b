import TideCore

/// The answers of `GET /v1/models` and `GET /v1/models/{id}`.
public enum ModelList {
  public struct Model: Equatable, Sendable {
    public var id: String
    public var ownedBy: String
    /// Seconds since 1970.
    public var created: Int
    /// The same as RFC 3339 writes it.
    public var createdAt: String

    public init(id: String, ownedBy: String, created: Int, createdAt: String) {
      self.id = id
      self.ownedBy = ownedBy
      self.created = created
      self.createdAt = createdAt
    }
  }

  /// The list as a dialect's clients expect it; Anthropic's comes in pages, of which this is the only one.
  public static func list(_ models: [Model], _ dialect: Dialect = .openAI) -> [UInt8] {
    var out = ByteQueue()
    if dialect == .anthropic {
      out.append("{\"data\":[")
      for (position, model) in models.enumerated() {
        if position > 0 { out.append(byte: UInt8(ascii: ",")) }
        writeAnthropic(model, into: &out)
      }
      out.append("],\"has_more\":false,\"first_id\":")
      writeNullable(models.first?.id, into: &out)
      out.append(",\"last_id\":")
      writeNullable(models.last?.id, into: &out)
      out.append("}")
      return [UInt8](out.readableBytes)
    }
    out.append("{\"object\":\"list\",\"data\":[")
    for (position, model) in models.enumerated() {
      if position > 0 { out.append(byte: UInt8(ascii: ",")) }
      write(model, into: &out)
    }
    out.append("]}")
    return [UInt8](out.readableBytes)
  }

  public static func single(_ model: Model, _ dialect: Dialect = .openAI) -> [UInt8] {
    var out = ByteQueue()
    if dialect == .anthropic { writeAnthropic(model, into: &out) } else { write(model, into: &out) }
    return [UInt8](out.readableBytes)
  }

  private static func writeAnthropic(_ model: Model, into out: inout ByteQueue) {
    out.append("{\"type\":\"model\",\"id\":")
    JSONText.quote(model.id, into: &out)
    out.append(",\"display_name\":")
    JSONText.quote(model.id, into: &out)
    out.append(",\"created_at\":")
    JSONText.quote(model.createdAt, into: &out)
    out.append("}")
  }

  private static func writeNullable(_ text: String?, into out: inout ByteQueue) {
    if let text { JSONText.quote(text, into: &out) } else { out.append("null") }
  }

  private static func write(_ model: Model, into out: inout ByteQueue) {
    out.append("{\"id\":")
    JSONText.quote(model.id, into: &out)
    out.append(",\"object\":\"model\",\"created\":\(model.created),\"owned_by\":" as String)
    JSONText.quote(model.ownedBy, into: &out)
    out.append(byte: UInt8(ascii: "}"))
  }
}
