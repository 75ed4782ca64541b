import TideCore

/// The answers of `GET /v1/models` and `GET /v1/models/{id}`.
public enum ModelList {
  public struct Model: Equatable, Sendable {
    public var id: String
    public var ownedBy: String
    /// Seconds since 1970.
    public var created: Int

    public init(id: String, ownedBy: String, created: Int) {
      self.id = id
      self.ownedBy = ownedBy
      self.created = created
    }
  }

  public static func list(_ models: [Model]) -> [UInt8] {
    var out = ByteQueue()
    out.append("{\"object\":\"list\",\"data\":[")
    for (position, model) in models.enumerated() {
      if position > 0 { out.append(byte: UInt8(ascii: ",")) }
      write(model, into: &out)
    }
    out.append("]}")
    return [UInt8](out.readableBytes)
  }

  public static func single(_ model: Model) -> [UInt8] {
    var out = ByteQueue()
    write(model, into: &out)
    return [UInt8](out.readableBytes)
  }

  private static func write(_ model: Model, into out: inout ByteQueue) {
    out.append("{\"id\":")
    JSONText.quote(model.id, into: &out)
    out.append(",\"object\":\"model\",\"created\":\(model.created),\"owned_by\":" as String)
    JSONText.quote(model.ownedBy, into: &out)
    out.append(byte: UInt8(ascii: "}"))
  }
}
