/// JSON for the rest of the program; scripts have `tide.json`.
extension PolicyValue {
  /// Reads a JSON text; nil when it is none.
  public init?(json text: UnsafeRawBufferPointer) {
    do throws(HostError) {
      self = try JSONText.decode(text)
    } catch {
      return nil
    }
  }

  public init?(json text: [UInt8]) {
    guard let value = text.withUnsafeBytes({ PolicyValue(json: $0) }) else { return nil }
    self = value
  }

  /// The value as JSON; what JSON has no word for is null. Empty tables are objects where `emptyIsMap`.
  public func json(emptyIsMap: Bool = false) -> String {
    do throws(HostError) {
      return try JSONText.encode(self, emptyIsMap: emptyIsMap)
    } catch {
      return "null"
    }
  }
}
