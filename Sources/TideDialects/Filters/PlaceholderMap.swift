import TideCore

/// What was taken out of one prompt, and what stands for it there.
///
/// Placeholders are numbered by the first appearance of their value; the same value has the same one. Never one that the prompt already
/// has: `reserve` must have seen all of it.
public struct PlaceholderMap: Sendable {
  private var placeholders: [[UInt8]: [UInt8]] = [:]
  private var originals: [[UInt8]: [UInt8]] = [:]
  /// What looks like a placeholder and is the prompt's own.
  private var reserved: Set<[UInt8]> = []
  /// The last number given, by kind.
  private var numbers = [Int](repeating: 0, count: EntityKind.allCases.count)

  public init() {}

  /// How many values it holds.
  public var count: Int { originals.count }

  private static let finder: FilterSet = {
    do throws(FilterProblem) {
      return try FilterSet([FilterDeclaration(.restore(map: ""))])
    } catch {
      preconditionFailure("the form of placeholders does not compile: \(error)")
    }
  }()

  /// Notes what looks like a placeholder in a text of the prompt.
  public mutating func reserve(_ text: UnsafeRawBufferPointer) {
    var scanner = FilterScanner(Self.finder)
    var passed = ByteQueue()
    var found: Set<[UInt8]> = []
    _ = scanner.scan(text, isEnd: true, into: &passed) { match, _ in
      found.insert(Array(match.text))
      return .standard
    }
    reserved.formUnion(found)
  }

  /// What stands for a value, from now on at the latest.
  public mutating func placeholder(_ kind: EntityKind, for value: UnsafeRawBufferPointer) -> [UInt8] {
    let value = Array(value)
    if let known = placeholders[value] { return known }
    var placeholder: [UInt8]
    repeat {
      numbers[Int(kind.rawValue)] += 1
      placeholder = Array(Placeholder.text(kind, numbers[Int(kind.rawValue)]).utf8)
    } while reserved.contains(placeholder)
    placeholders[value] = placeholder
    originals[placeholder] = value
    return placeholder
  }

  /// The value that a placeholder stands for; nil when it is none of this map.
  public func original(of placeholder: UnsafeRawBufferPointer) -> [UInt8]? { originals[Array(placeholder)] }
}
