import TideCore
import TideLua

/// `tide.base64` and `tide.uuid`.
extension BindingHost {
  /// Of a text that is encoded, decoded or digested: some milliseconds' work.
  static let textByteCountMax = 1 << 20

  /// A string argument of a function that reads all of it.
  func boundedText(_ argument: LuaArgumentView, _ function: String) throws(HostError) -> UnsafeRawBufferPointer {
    guard let text = argument.bytes else { throw HostError("\(function): expected a string, got \(argument.typeName)") }
    guard text.count <= Self.textByteCountMax else { throw HostError("\(function): the text is longer than 1 MiB") }
    return text
  }

  private func alphabet(_ argument: LuaArgumentView, _ function: String) throws(HostError) -> Base64.Alphabet {
    let options = try VerdictReader.fields(PolicyValue(argument.value), function, ["url"])
    guard let option = options.first else { return .standard }
    guard case .boolean(let isURL) = option.value else { throw HostError("\(function): url must be true or false") }
    return isURL ? .url : .standard
  }

  func encodeBase64(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) {
    let function = "tide.base64.encode"
    let alphabet = try alphabet(arguments[1], function)
    results.append(Base64.encode(try boundedText(arguments[0], function), alphabet))
  }

  func decodeBase64(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    let function = "tide.base64.decode"
    let alphabet = try alphabet(arguments[1], function)
    guard let bytes = Base64.decode(try boundedText(arguments[0], function), alphabet) else {
      return .returnsNilError(
        code: "bad_base64",
        message: alphabet == .url
          ? "not base64 of the URL alphabet without padding"
          : "not base64 with padding; for - and _ pass { url = true }")
    }
    results.append(bytes)
    return .ok
  }

  /// RFC 9562: version 4 is random, version 7 begins with the time and grows from call to call.
  func makeUUID(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) {
    let version = arguments[0].isNil ? "v4" : arguments[0].text
    switch version {
    case "v4": results.append(Self.uuid(version: 4, high: services.random(), low: services.random()))
    case "v7":
      let clock = lastOrderedID.next(ms: UInt64(max(0, services.wallClockMs())), random: services.random)
      results.append(Self.uuid(version: 7, high: clock.ms << 16 | UInt64(clock.counter), low: services.random()))
    default: throw HostError("tide.uuid: the version must be \"v4\" or \"v7\"")
    }
  }

  private static func uuid(version: UInt64, high: UInt64, low: UInt64) -> String {
    let high = high & ~0xF000 | version << 12
    let low = low & ~(3 << 62) | 2 << 62
    let digits = hex(withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) })
    var parts: [Substring] = []
    var rest = digits[...]
    for count in [8, 4, 4, 4, 12] {
      parts.append(rest.prefix(count))
      rest = rest.dropFirst(count)
    }
    return parts.joined(separator: "-")
  }
}

/// The time part of the last UUID of version 7: a millisecond, and a counter of 12 bits within it that begins anywhere in its
/// lower half (RFC 9562 section 6.2, method 1).
struct OrderedIDClock {
  private(set) var ms: UInt64 = 0
  private(set) var counter: UInt16 = 0

  /// - Parameter ms: since 1970; a clock that went back counts on from where it was.
  mutating func next(ms now: UInt64, random: () -> UInt64) -> (ms: UInt64, counter: UInt16) {
    if now > ms || counter == 0xFFF {
      ms = (now > ms ? now : ms + 1) & 0xFFFF_FFFF_FFFF
      counter = UInt16(truncatingIfNeeded: random() & 0x7FF)
    } else {
      counter += 1
    }
    return (ms, counter)
  }
}
