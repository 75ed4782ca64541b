import TideLua

/// `tide.metrics`: a policy's own figures, beside the gateway's on the admin listener.
extension BindingHost {
  static let labelsMax = 8
  private static let nameByteCountMax = 64
  private static let valueByteCountMax = 128
  /// What the exposition format appends itself.
  private static let suffixes = ["_total", "_bucket", "_sum", "_count"]

  func count(_ arguments: LuaArguments) throws(HostError) {
    let function = "tide.metrics.incr"
    let name = try metricName(arguments[0], function)
    guard let amount = arguments[1].isNil ? 1 : arguments[1].number, amount.isFinite, amount >= 0 else {
      throw HostError("\(function): the amount must be a number from 0: counters never fall")
    }
    let labels = try labels(arguments[2], function)
    do throws(PolicyMetrics.Refusal) {
      if try store.metrics.increment(binding.name, name, labels, by: amount) { warnOfOverflow(name) }
    } catch {
      throw HostError("\(function): \(error.message)")
    }
  }

  func observe(_ arguments: LuaArguments) throws(HostError) {
    let function = "tide.metrics.observe"
    let name = try metricName(arguments[0], function)
    guard let value = arguments[1].number, value.isFinite else {
      throw HostError("\(function): the value must be a finite number")
    }
    let labels = try labels(arguments[2], function)
    do throws(PolicyMetrics.Refusal) {
      if try store.metrics.observe(binding.name, name, labels, value) { warnOfOverflow(name) }
    } catch {
      throw HostError("\(function): \(error.message)")
    }
  }

  /// Said once of a metric: it goes on with every exchange.
  private func warnOfOverflow(_ name: String) {
    log(
      .warning,
      "the metric \(name) has labels of which no more can be told apart: all metrics of a binding have room for "
        + "\(PolicyMetrics.seriesMax) sets of labels, and what comes on top is added up under overflow=\"true\"; "
        + "label with what has few values (a model, a reason), not with users or exchanges")
  }

  private func metricName(_ argument: LuaArgumentView, _ function: String) throws(HostError) -> String {
    guard let name = argument.text, Self.isName(name) else {
      throw HostError("\(function): the name must be of lower-case letters, digits and _, at most 64 of them")
    }
    if let suffix = Self.suffixes.first(where: { name.hasSuffix($0) }) {
      throw HostError("\(function): leave out \(suffix), which is added where it belongs")
    }
    return name
  }

  private func labels(_ argument: LuaArgumentView, _ function: String) throws(HostError) -> PolicyMetrics.Labels {
    if argument.isNil { return [] }
    guard let entries = PolicyValue(argument.value).entries else {
      throw HostError("\(function): labels must be a table of names and values")
    }
    guard entries.count <= Self.labelsMax else { throw HostError("\(function): at most \(Self.labelsMax) labels") }
    var labels: PolicyMetrics.Labels = []
    for entry in entries {
      guard Self.isName(entry.key), !["policy", "le", "overflow"].contains(entry.key), !entry.key.hasPrefix("__") else {
        throw HostError("\(function): \(entry.key) cannot be the name of a label")
      }
      let value: String
      switch entry.value {
      case .string(let text): value = Self.cut(text, toByteCount: Self.valueByteCountMax)
      case .integer, .boolean: value = SchemaField.show(entry.value)
      default: throw HostError("\(function): the label \(entry.key) must be a string, a whole number or a boolean")
      }
      labels.append(.init(entry.key, value))
    }
    return labels.sorted()
  }

  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, first &- 0x30 > 9, text.utf8.count <= nameByteCountMax else { return false }
    return text.utf8.allSatisfy { $0 &- 0x61 < 26 || $0 &- 0x30 < 10 || $0 == UInt8(ascii: "_") }
  }

  /// The longest beginning that has at most so many bytes and ends with a whole character.
  static func cut(_ text: String, toByteCount limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: limit)
    while String.Index(end, within: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
    return String(text[..<end])
  }
}
