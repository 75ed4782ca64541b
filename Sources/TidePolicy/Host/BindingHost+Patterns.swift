import TideLua
import TideRegex

/// `tide.re` and the methods of what it makes.
extension BindingHost {
  static let patternMethods: [(name: String, function: HostFunction)] = [
    ("test", .regexTest), ("find", .regexFind), ("match", .regexMatch), ("gmatch", .regexLoop), ("gsub", .regexReplace),
  ]

  /// Of a text that a replacement makes.
  private static let resultByteCountMax = 2 << 20

  func makePattern(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) {
    guard let bytes = arguments[0].bytes else { throw HostError("tide.re: the pattern must be a string") }
    guard let pattern = String(validating: bytes, as: UTF8.self) else {
      throw HostError("tide.re: the pattern is not valid UTF-8")
    }
    var flags: RegexFlags = []
    if !arguments[1].isNil {
      guard let letters = arguments[1].text else { throw HostError("tide.re: flags are a string such as \"i\"") }
      for letter in letters.unicodeScalars {
        guard let flag = RegexFlags(letter: letter) else {
          throw HostError("tide.re: unknown flag \(letter): there are i, m and s")
        }
        flags.insert(flag)
      }
    }
    results.append(try patterns.handle(PatternTable.Key(pattern: pattern, flags: flags), isLoading: hook == .onLoad))
  }

  // MARK: Searching

  private func pattern(_ arguments: LuaArguments) throws(HostError) -> PatternTable.Entry {
    guard let handle = arguments[0].object, let entry = patterns.entry(handle) else {
      throw HostError(
        "this pattern is gone: hooks made many others since; make it while loading, or call tide.re again")
    }
    return entry
  }

  private func text(_ argument: LuaArgumentView, _ method: String) throws(HostError) -> UnsafeRawBufferPointer {
    guard let text = argument.bytes else { throw HostError("\(method): expected a text, got \(argument.typeName)") }
    return text
  }

  /// Asks the guard whether the hook's time is over.
  private func isStopping() -> Bool { machine?.isStopping ?? false }

  /// What a stopped search returns; the abort takes its place.
  private var stopped: HostCallStatus { .raise("the search was stopped") }

  func testPattern(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    let entry = try pattern(arguments)
    let text = try text(arguments[1], "test")
    defer { patterns.noteUse(of: entry) }
    guard let isMatch = entry.matcher.matches(text, poll: isStopping) else { return stopped }
    results.append(isMatch)
    return .ok
  }

  /// `find` and `match`: the same search, told differently.
  func findPattern(
    _ arguments: LuaArguments, _ results: inout LuaResults, tellsPlace: Bool
  ) throws(HostError) -> HostCallStatus {
    let entry = try pattern(arguments)
    let method = tellsPlace ? "find" : "match"
    let text = try text(arguments[1], method)
    guard let from = arguments[2].isNil ? 1 : arguments[2].integer else {
      throw HostError("\(method): the place to begin at must be a whole number")
    }
    guard let start = Self.offset(from, in: text.count) else {
      results.appendNil()
      return .ok
    }
    defer { patterns.noteUse(of: entry) }
    switch entry.matcher.firstMatch(in: text, from: start, poll: isStopping) {
    case .none: results.appendNil()
    case .stopped: return stopped
    case .match(let match):
      if tellsPlace {
        results.append(match.lowerBound + 1)
        results.append(match.upperBound)
      }
      guard let captures = entry.matcher.captures(of: match, in: text, poll: isStopping) else { return stopped }
      if captures.isEmpty, !tellsPlace { results.append(UnsafeRawBufferPointer(rebasing: text[match])) }
      put(captures, of: text, &results)
    }
    return .ok
  }

  /// Lua counts from 1, and backward from -1; nil behind the end.
  private static func offset(_ place: Int64, in count: Int) -> Int? {
    if place > 0 { return place - 1 <= Int64(count) ? Int(place - 1) : nil }
    return place == 0 ? 0 : max(0, count + Int(max(place, Int64(-count) - 1)))
  }

  /// A capture that took no part is `false`: nil would end a list.
  private func put(_ captures: [Range<Int>?], of text: UnsafeRawBufferPointer, _ results: inout LuaResults) {
    for capture in captures {
      if let capture { results.append(UnsafeRawBufferPointer(rebasing: text[capture])) } else { results.append(false) }
    }
  }

  // MARK: Loops

  func loopOverPattern(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    let entry = try pattern(arguments)
    let text = try text(arguments[1], "gmatch")
    guard searchBytes + text.count <= binding.manifest.budgets.memory / 2 else {
      throw HostError("gmatch: the loops of this hook hold too much text")
    }
    let handle = searches.insert(PatternSearch(entry, text))
    searchBytes += text.count
    searchHandles.append(handle)
    results.append(function: HostFunction.regexNext.rawValue, boundTo: handle)
    return .ok
  }

  func nextOfPattern(_ arguments: LuaArguments, _ results: inout LuaResults) -> HostCallStatus {
    guard let handle = arguments[0].object, let search = searches[handle] else {
      return .raise("this gmatch belongs to a hook that has ended")
    }
    defer { patterns.noteUse(of: search.entry) }
    return search.text.withUnsafeBytes { text in
      switch search.progress.next(search.entry.matcher, text, isStopping) {
      case .stopped: return stopped
      case .none:
        results.appendNil()
        return .ok
      case .match(let match):
        guard let captures = search.entry.matcher.captures(of: match, in: text, poll: isStopping) else {
          return stopped
        }
        if captures.isEmpty { results.append(UnsafeRawBufferPointer(rebasing: text[match])) }
        put(captures, of: text, &results)
        return .ok
      }
    }
  }

  // MARK: Replacing

  func replacePattern(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    defer { releaseFunctions(arguments) }
    let entry = try pattern(arguments)
    let text = try text(arguments[1], "gsub")
    let replacement = try PatternReplacement(arguments[2], captureCount: entry.matcher.program.captureCount)
    guard let limit = arguments[3].isNil ? .max : arguments[3].integer else {
      throw HostError("gsub: the number of replacements must be a whole number")
    }
    defer { patterns.noteUse(of: entry) }
    var progress = PatternProgress()
    var out: [UInt8] = []
    var copied = 0
    var count: Int64 = 0
    while count < limit {
      let match: Range<Int>
      switch progress.next(entry.matcher, text, isStopping) {
      case .stopped: return stopped
      case .none:
        results.append(out, copied, text)
        results.append(count)
        return .ok
      case .match(let found): match = found
      }
      guard let captures = entry.matcher.captures(of: match, in: text, poll: isStopping) else { return stopped }
      out += text[copied..<match.lowerBound]
      copied = match.upperBound
      count += 1
      try replacement.append(match, captures, of: text, machine, to: &out)
      guard out.count <= Self.resultByteCountMax else {
        throw HostError("gsub: the resulting text is longer than 2 MiB")
      }
    }
    results.append(out, copied, text)
    results.append(count)
    return .ok
  }
}

extension BindingHost {
  /// Gives back the functions among the arguments, in tables too, of a function that takes some.
  private func releaseFunctions(_ arguments: LuaArguments) {
    for index in 0..<arguments.count where arguments[index].isTable || arguments[index].function != nil {
      machine?.releaseFunctions(in: arguments[index].value)
    }
  }
}

extension LuaResults {
  /// What was made so far and what of the text is left.
  fileprivate mutating func append(_ made: [UInt8], _ copied: Int, _ text: UnsafeRawBufferPointer) {
    if copied == 0, made.isEmpty { append(text) } else { append(made + text[copied...]) }
  }
}
