import TideCore
import TideDialects

/// Checks the table that a policy's file returned. Collects every mistake.
struct ManifestReader {
  private(set) var problems: [ManifestProblem] = []
  /// The keys of what is read.
  private var place: [String] = []
  private let name: String

  init(name: String) { self.name = name }

  private mutating func report(_ message: String) { problems.append(ManifestProblem(message: message, keys: place)) }

  mutating func manifest(_ table: PolicyValue) -> PolicyManifest? {
    guard let entries = table.entries else {
      report("a policy's file must return one table, not \(table.kind)")
      return nil
    }
    var hooks: HookSet = []
    for entry in entries {
      place = [entry.key]
      if entry.key == HookName.filters.name {
        if hasFilters(entry.value) { hooks.insert(HookSet(.filters)) }
      } else if let hook = HookName(name: entry.key), hook != .timers {
        if case .function = entry.value {
          hooks.insert(HookSet(hook))
        } else {
          report("\(entry.key) must be a function, not \(entry.value.kind)")
        }
      } else if ManifestKey(rawValue: entry.key) == nil {
        let known = ManifestKey.names + HookName.allCases.map(\.name)
        report("unknown key \(entry.key)" + SchemaReader.suggestion(entry.key, known))
      }
    }
    place = ["name"]
    if let written = table["name"], written.text != name { report("name must be \(name), as the file's") }
    place = ["api"]
    if let api = table["api"], api.wholeNumber != 1 { report("api must be 1") }
    place = ["auto"]
    let auto = flag("auto", table)
    place = ["keep_text"]
    let keepsText = flag("keep_text", table)
    if keepsText, !hooks.contains(.onResponseEnd), !hooks.contains(.onLog) {
      report("keep_text is of no use without on_response_end or on_log")
    }
    var schemaReader = SchemaReader()
    let schema = table["schema"].map { schemaReader.schema($0) } ?? PolicySchema()
    problems += schemaReader.problems
    place = [table["segment"] == nil ? HookName.onSegment.name : "segment"]
    let segment = segmentUnit(table["segment"])
    if hooks.contains(.onSegment) != (table["segment"] != nil) {
      report(
        hooks.contains(.onSegment)
          ? "on_segment needs segment = { unit = \"word\" } (or line, sentence, lane, a number of bytes)"
          : "segment is of no use without on_segment")
    }
    place = ["channels"]
    let channels = channelSet(table["channels"])
    place = ["hold"]
    if table["hold"] != nil, !hooks.contains(.filters) { report("hold is of no use without filters") }
    let hold = filterHold(table["hold"])
    place = ["budgets"]
    let budgets = hookBudgets(table["budgets"])
    place = ["failure"]
    let failure = failureActions(table["failure"])
    place = ["net"]
    let net = hosts(table["net"])
    place = ["timers"]
    let timers = timerList(table["timers"])
    if !timers.isEmpty { hooks.insert(HookSet(.timers)) }
    guard problems.isEmpty else { return nil }
    return PolicyManifest(
      name: name, version: table["version"].map(SchemaField.show) ?? "", auto: auto, schema: schema, channels: channels,
      segment: segment, segmentWaits: table["segment"]?["wait"] == .boolean(true), budgets: budgets, failure: failure,
      hooks: hooks, hold: hold, net: net, timers: timers, keepsText: keepsText)
  }

  private mutating func flag(_ key: String, _ table: PolicyValue) -> Bool {
    switch table[key] {
    case nil: return false
    case .boolean(let flag)?: return flag
    case let other?:
      report("\(key) must be true or false, not \(other.kind)")
      return false
    }
  }

  private mutating func segmentUnit(_ value: PolicyValue?) -> Segmenter.Unit? {
    guard let value else { return nil }
    guard let entries = value.entries else {
      report("segment must be a table such as { unit = \"word\" }")
      return nil
    }
    for entry in entries where entry.key != "unit" {
      if entry.key == "wait" {
        if case .boolean = entry.value {} else { report("segment.wait must be true or false") }
      } else {
        report("unknown key segment.\(entry.key)" + SchemaReader.suggestion(entry.key, ["unit", "wait"]))
      }
    }
    switch value["unit"] {
    case .string("word")?: return .word
    case .string("line")?: return .line
    case .string("sentence")?: return .sentence
    case .string("lane")?: return .lane
    case let unit?:
      if let count = unit.wholeNumber, count >= 8, count <= 1 << 20 { return .bytes(count) }
    case nil: break
    }
    report("segment.unit must be word, line, sentence, lane, or a number of bytes from 8 to 1048576")
    return nil
  }

  private mutating func channelSet(_ value: PolicyValue?) -> ChannelSet {
    guard let value else { return .text }
    do throws(HostError) {
      return try ChannelSet.read(value)
    } catch {
      report(error.message)
      return .text
    }
  }

  /// Whether there are any; what they are is read once there is a configuration.
  private mutating func hasFilters(_ value: PolicyValue) -> Bool {
    if case .function = value { return true }
    guard let elements = value.elements else {
      report("filters must be a list, or a function of cfg that returns one, not \(value.kind)")
      return false
    }
    return !elements.isEmpty
  }

  private mutating func filterHold(_ value: PolicyValue?) -> FilterHold {
    var hold = FilterHold()
    guard let value else { return hold }
    guard let entries = value.entries else {
      report("hold must be a table such as { bytes = 256, time = \"300ms\", strict = false }")
      return hold
    }
    for entry in entries {
      switch entry.key {
      case "bytes":
        let bytes = entry.value.text.flatMap(UnitText.byteCount) ?? entry.value.wholeNumber
        if let bytes, FilterHold.byteCountRange.contains(bytes) {
          hold.byteCount = bytes
        } else {
          report("hold.bytes must be a size from 16 bytes to 64KiB")
        }
      case "time":
        let ms = entry.value.text.flatMap(UnitText.milliseconds) ?? entry.value.wholeNumber
        if let ms, ms >= 1, ms <= 60_000 {
          hold.timeMs = ms
        } else {
          report("hold.time must be a duration from 1ms to 60s")
        }
      case "strict":
        if case .boolean(let flag) = entry.value {
          hold.isStrict = flag
        } else {
          report("hold.strict must be true or false, not \(entry.value.kind)")
        }
      default:
        report(
          "unknown key hold.\(entry.key)" + SchemaReader.suggestion(entry.key, ["bytes", "time", "strict"]))
      }
    }
    return hold
  }

  private mutating func hookBudgets(_ value: PolicyValue?) -> HookBudgets {
    var budgets = HookBudgets()
    guard let value else { return budgets }
    guard let entries = value.entries else {
      report("budgets must be a table such as { memory = \"4MiB\", on_request = { cpu = \"5ms\" } }")
      return budgets
    }
    for entry in entries {
      if entry.key == "memory" {
        let bytes = entry.value.text.flatMap(UnitText.byteCount) ?? entry.value.wholeNumber
        if let bytes, bytes >= 256 << 10, bytes <= 256 << 20 {
          budgets.memory = bytes
        } else {
          report("budgets.memory must be a size from 256KiB to 256MiB")
        }
      } else if let hook = HookName(name: entry.key) {
        guard let limits = entry.value.entries else {
          report("budgets.\(entry.key) must be a table such as { cpu = \"5ms\", wall = \"2s\" }")
          continue
        }
        for limit in limits {
          let ms = limit.value.text.flatMap(UnitText.milliseconds) ?? limit.value.wholeNumber
          switch limit.key {
          case "cpu":
            if let ms, ms >= 1, ms <= 1_000 {
              budgets.setCPU(hook, ms: ms)
            } else {
              report("budgets.\(entry.key).cpu must be a duration from 1ms to 1s")
            }
          case "wall":
            if let ms, ms >= 1, ms <= 600_000 {
              budgets.setWall(hook, ms: ms)
            } else {
              report("budgets.\(entry.key).wall must be a duration from 1ms to 10m")
            }
          default:
            report(
              "unknown key budgets.\(entry.key).\(limit.key)" + SchemaReader.suggestion(limit.key, ["cpu", "wall"]))
          }
        }
      } else {
        report(
          "unknown key budgets.\(entry.key)"
            + SchemaReader.suggestion(entry.key, ["memory"] + HookName.allCases.map(\.name)))
      }
    }
    return budgets
  }

  private mutating func failureActions(_ value: PolicyValue?) -> [HookName: PolicyBinding.FailureAction] {
    var result: [HookName: PolicyBinding.FailureAction] = [:]
    guard let value else { return result }
    guard let entries = value.entries else {
      report("failure must be a table such as { on_request = \"deny\" }, not \(value.kind)")
      return result
    }
    for entry in entries {
      guard let hook = HookName(name: entry.key) else {
        report(
          "failure: unknown hook \(entry.key)"
            + SchemaReader.suggestion(entry.key, HookName.allCases.map(\.name)))
        continue
      }
      guard let action = entry.value.text.flatMap(PolicyBinding.FailureAction.init(rawValue:)) else {
        report("failure.\(entry.key) must be deny, cut or skip")
        continue
      }
      result[hook] = action
    }
    return result
  }

  private mutating func hosts(_ value: PolicyValue?) -> Set<String> {
    guard let value else { return [] }
    guard let elements = value.elements else {
      report("net must be a list of hosts, such as { \"api.example.com\" }")
      return []
    }
    var result: Set<String> = []
    for element in elements {
      let text = element.text ?? ""
      guard !text.contains("/"), case .success(let url) = FetchURL.parse("https://" + text) else {
        report(
          "net: \(SchemaField.show(element)) is not a host; write api.example.com or api.example.com:8443")
        continue
      }
      result.insert(url.port == 443 && !text.hasSuffix(":443") ? url.host : "\(url.host):\(url.port)")
    }
    return result
  }

  private mutating func timerList(_ value: PolicyValue?) -> [PolicyTimer] {
    guard let value else { return [] }
    guard let entries = value.entries, !entries.isEmpty, entries.count <= 16 else {
      report(
        "timers must be a table of at most 16 entries such as refresh = { every = \"10s\", run = function(cfg) end }")
      return []
    }
    return entries.compactMap { entry in
      let every = entry.value["every"]
      let ms = every?.text.flatMap(UnitText.milliseconds) ?? every?.wholeNumber
      guard let ms, ms >= 100, ms <= 86_400_000, entry.value["run"] == .function, entry.value.entries?.count == 2 else {
        report(
          "timers.\(entry.key) must be { every = a duration from 100ms to 1d, run = function(cfg) end }")
        return nil
      }
      return PolicyTimer(name: entry.key, everyMs: ms)
    }
  }
}
