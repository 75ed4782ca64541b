import ArgumentParser
import Foundation
import TideGateway

/// `tidegate policy types`: annotations for editors.
struct PolicyTypesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "types", abstract: "Print annotations for the Lua language server.",
    discussion: """
      They describe ctx, tide and the configuration of each policy in the folder. Save them as Plugins/_types.lua: names that begin \
      with _ are no policies.
      """)

  @Argument(help: "The folder of policies.")
  var folder = "Plugins"

  func run() { print(PolicyFolderCheck.annotations(folder: folder), terminator: "") }
}

/// `tidegate policy docs`: the reference.
struct PolicyDocsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "docs", abstract: "Print the reference of hooks, fields and functions, as Markdown.")

  @Option(help: "Replace what stands between the reference's markers in this file.")
  var write: String?

  @Option(help: "Fail when what stands between the markers in this file is out of date.")
  var check: String?

  private static let begin = "<!-- reference: begin -->\n"
  private static let end = "<!-- reference: end -->"

  func run() throws {
    guard let path = write ?? check else { return print(PolicyFolderCheck.reference, terminator: "") }
    let text = try String(contentsOfFile: path, encoding: .utf8)
    guard let begin = text.range(of: Self.begin),
      let end = text.range(of: Self.end, range: begin.upperBound..<text.endIndex)
    else { throw ValidationError("\(path) has no lines `\(Self.begin.dropLast())` and `\(Self.end)`") }
    let current = text.replacingCharacters(
      in: begin.upperBound..<end.lowerBound, with: "\n" + PolicyFolderCheck.reference + "\n")
    if write != nil {
      try Data(current.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } else if current != text {
      print("\(path): the reference is out of date; tidegate policy docs --write \(path)")
      throw ExitCode(1)
    }
  }
}

/// `tidegate policy new`: a policy to begin with, and its test.
struct PolicyNewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Write a policy to begin with, its test, and annotations for editors.")

  @Argument(help: "The policy's name: letters, digits and dashes.")
  var name: String

  @Option(help: "The folder of policies. It is made if need be; the folder that it lies in must be there.")
  var folder = "Plugins"

  func run() throws {
    guard name.wholeMatch(of: /[a-z][a-z0-9-]*/) != nil, !name.hasSuffix("_test") else {
      throw ValidationError("`\(name)` is no name for a policy: small letters, digits and dashes, a letter first")
    }
    let files = [
      ("\(folder)/\(name).lua", Self.policy), ("\(folder)/\(name)_test.lua", Self.test(name)),
    ]
    for (path, _) in files + [("\(folder)/\(name)", "")] where FileManager.default.fileExists(atPath: path) {
      throw ValidationError("\(path) is there already")
    }
    try makeFolder()
    // The test first: a gateway that watches the folder then never sees a policy without one.
    for (path, text) in files.reversed() { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }
    let types = "\(folder)/_types.lua"
    try Data(PolicyFolderCheck.annotations(folder: folder).utf8).write(
      to: URL(fileURLWithPath: types), options: .atomic)
    print("wrote \(files[0].0), \(files[1].0) and \(types)")
    print("next: tidegate policy test \(folder) --filter \(name)")
  }

  /// One level and aloud: a slip of the keyboard must not grow a tree that no gateway looks at.
  private func makeFolder() throws {
    guard !FileManager.default.fileExists(atPath: folder) else { return }
    let parent = URL(fileURLWithPath: folder).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: parent, isDirectory: &isFolder), isFolder.boolValue else {
      throw ValidationError("there is no folder \(parent) to make \(folder) in")
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    print("made the folder \(folder)")
  }

  private static let policy = """
    --- Says what it does, in one line.
    ---
    --- `auto` binds it as soon as it lies here. Bind it in the configuration instead to give it a `config`.

    ---@type tide.Policy
    return {
      version = "0.1.0", api = 1,
      auto = true,
      schema = {
        words = {
          type = "map", values = { type = "string" }, default = { foo = "bar" }, doc = "word to what stands in its place",
        },
      },
      segment = { unit = "word" },    -- whole words, wherever the tokens were cut

      on_lane = function(ctx, cfg) return { words = cfg.words } end,

      -- nil passes the word on, a string replaces it, tide.cut {} ends the answer.
      on_segment = function(s, word) return s.words[word] end,
    }

    """

  private static func test(_ name: String) -> String {
    """
    tide.test("a word is replaced, wherever it was cut", function(t)
      local g = t.gateway { { use = "\(name)" } }
      local r = g:chat { upstream = { text = "A foo is no food." } }
      t.eq(r.text, "A bar is no food.")
      t.invariant(r)
    end)

    """
  }
}
