import TideLua

/// What the sandbox has under some names: asked of a machine as policies get it, so that there is no second list.
struct SandboxNames {
  indirect enum Entry {
    case value
    case library([String: Entry])
  }

  /// Names that are looked up for one source; what lies beyond counts as there.
  private static let namesMax = 5_000

  private var entries: [String: Entry] = [:]

  /// - Parameter names: free names of a source.
  init(_ names: Set<String>, on machine: LuaMachine) throws(LuaFailure) {
    // In pieces: the number of constants in a function has a limit.
    let sorted = names.sorted()
    for name in sorted.dropFirst(Self.namesMax) { entries[name] = .value }
    var rest = sorted.prefix(Self.namesMax)
    while !rest.isEmpty {
      let piece = rest.prefix(100)
      rest = rest.dropFirst(100)
      let looks = piece.map { "[\"\($0)\"] = look(function() return \($0) end)" }.joined(separator: ", ")
      let environment = try machine.makeEnvironment()
      let found = try machine.load(
        source: Array((Self.script + "return { \(looks) }").utf8), chunkName: "names", environment: environment
      ).get()
      for (name, entry) in Self.members(of: found) { entries[name] = entry }
    }
  }

  /// A name that is not there raises: the sandbox is strict.
  private static let script = """
    local function listed(value)
      if type(value) ~= "table" then return true end
      local members = {}
      for name, member in pairs(value) do members[name] = listed(member) end
      return members
    end
    local function look(read)
      local known, value = pcall(read)
      if known then return listed(value) end
    end

    """

  private static func members(of table: LuaValue) -> [String: Entry] {
    var members: [String: Entry] = [:]
    for (key, value) in table.entries ?? [] {
      guard let name = key.text else { continue }
      if case .boolean = value { members[name] = .value } else { members[name] = .library(self.members(of: value)) }
    }
    return members
  }

  subscript(name: String) -> Entry? { entries[name] }
}
