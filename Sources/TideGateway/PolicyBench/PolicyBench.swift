import TideCore
import TideLua
import TidePolicy

/// `tidegate policy bench`: what policies cost, measured on real exchanges without a network.
///
/// The same exchange runs with a policy and without, in turns, and the difference in the thread's time is the policy's price: for the
/// request with a short answer, and for each token of a long one.
public struct PolicyBench {
  private static let tokenCount = 1_000
  private static let shortCount = 200
  private static let longCount = 4

  private let folder: PolicyFolder
  private let surroundings: RehearsalGateway.Surroundings
  private let text = BenchText.tokens(tokenCount)
  /// How often each price is measured.
  var rounds = 31

  /// - Throws: what keeps anything from being measured.
  public init(folder path: String) throws(Diagnostic) {
    folder = PolicyFolder(path: path)
    if let problem = folder.problems.first { throw problem }
    do { surroundings = try RehearsalGateway.Surroundings() } catch {
      throw error as? Diagnostic ?? Diagnostic(file: "", message: "\(error)")
    }
    PolicyWorker.prepareThread()
  }

  /// A policy that stands for what every policy pays.
  private struct Reference {
    var name: String
    var source: String
    /// What it is compared with; nil is a gateway without policies.
    var base: String?
    var isStreamed = true
  }

  private static let decoding = "return { on_lane_end = function() end }"
  private static let thousandWords = """
    local words = {}
    for i = 1, 1000 do words["zq" .. i .. "xy"] = "word" end
    return { filters = { tide.filter.replace { words = words } } }
    """

  /// What the text path costs for whoever looks at text first, a hook that does nothing on top of it, and a thousand words looked for.
  private static let references = [
    Reference(name: "(text decoded, untouched)", source: decoding),
    Reference(name: "(identity on_token)", source: "return { on_token = function(s, text) end }", base: decoding),
    Reference(name: "(replace, 1,000 words)", source: thousandWords, base: decoding),
    Reference(name: "(the same, not streamed)", source: thousandWords, base: decoding, isStreamed: false),
  ]

  /// Prices to compare others with.
  public func referencePrices() throws(Diagnostic) -> [PolicyPrice] {
    var prices: [PolicyPrice] = []
    for reference in Self.references {
      do {
        let base = try gateway(reference.base, reference.isStreamed)
        prices.append(try price(reference.name, try gateway(reference.source, reference.isStreamed), base))
      } catch {
        throw Diagnostic(file: folder.path, message: "\(reference.name): \(error)")
      }
    }
    return prices
  }

  /// - Throws: the first of the names that no policy of the folder has.
  public func check(_ names: [String]) throws(Diagnostic) {
    let known = folder.sources.map(\.name)
    for name in names where !known.contains(name) {
      throw Diagnostic(
        file: folder.path, message: "there is no policy \(name)",
        hint: nearestName(to: name, among: known).map { "did you mean \($0)?" }
          ?? "policies there: " + known.joined(separator: ", "))
    }
  }

  /// The price of each policy whose test file says how it is bound, or that needs no configuration.
  ///
  /// - Parameters:
  ///   - names: of policies; empty asks for all.
  ///   - onPrice: told of each as soon as it is known; of a problem where it cannot be measured.
  public func prices(of names: [String], onPrice: (Result<PolicyPrice, Diagnostic>) -> Void) {
    let tests = PolicyTestFile.find(in: folder.path)
    for source in folder.sources where names.isEmpty || names.contains(source.name) {
      let file = tests.first { $0.policy == source.name }
      do {
        onPrice(.success(try price(of: source.name, file)))
      } catch let diagnostic as Diagnostic {
        onPrice(.failure(diagnostic))
      } catch {
        let message = (error as? TestProblem)?.message ?? "\(error)"
        onPrice(
          .failure(
            Diagnostic(
              file: file?.path ?? source.path, message: message,
              hint: "how it is bound for this, tide.bench { gateway = { ... } } says in its test file")))
      }
    }
  }

  private func price(of name: String, _ file: PolicyTestFile?) throws -> PolicyPrice {
    var bindings = LuaValue.array([.map([(.text("use"), .text(name))])])
    var chat = LuaValue.map([])
    // Its machine must live as long as what came from it.
    let loaded = try file.map { (file) throws(Diagnostic) in
      try LoadedTestFile(file, in: folder, seed: 1, budgetNs: 10_000_000_000)
    }
    if let declared = loaded?.host.bench {
      let table = try TestTable(declared, "tide.bench", allowed: ["gateway", "chat"])
      if let gateway = table["gateway"] { bindings = gateway }
      if let written = table["chat"] { chat = written }
    }
    let subject = try BenchCase(bindings: bindings, chat: chat, text: text, folder: folder, surroundings: surroundings)
    // The same surroundings, and nobody bound.
    let bare = LuaValue.map((bindings.entries ?? []).filter { $0.key.text != nil })
    let base = try BenchCase(bindings: bare, chat: chat, text: text, folder: folder, surroundings: surroundings)
    return try price(name, subject, base)
  }

  private func gateway(_ source: String?, _ isStreamed: Bool) throws(TestProblem) -> BenchCase {
    let binding = source.map { LuaValue.map([(.text("use"), .text("reference")), (.text("source"), .text($0))]) }
    return try BenchCase(
      bindings: binding.map { .array([$0]) } ?? .map([]), chat: .map([(.text("stream"), .boolean(isStreamed))]),
      text: text,
      folder: folder, surroundings: surroundings)
  }

  private func price(_ name: String, _ subject: BenchCase, _ base: BenchCase) throws(TestProblem) -> PolicyPrice {
    var requests: [Double] = []
    var tokens: [Double] = []
    // The first round warms caches and pools.
    for round in 0...rounds {
      // Each goes first in half of the rounds, since the heap is not the same for the second.
      let isFirst = round % 2 == 0
      let one = try measure(isFirst ? subject : base)
      let other = try measure(isFirst ? base : subject)
      let (with, without) = isFirst ? (one, other) : (other, one)
      guard round > 0 else { continue }
      requests.append((with.short - without.short) / 1_000)
      tokens.append(((with.long - with.short) - (without.long - without.short)) / Double(Self.tokenCount))
    }
    return PolicyPrice(
      name: name, requestUs: PolicyPrice.Figure(requests), tokenNs: PolicyPrice.Figure(tokens),
      tokenBytes: Double(text.reduce(0) { $0 + $1.count }) / Double(text.count))
  }

  private func measure(_ subject: BenchCase) throws(TestProblem) -> (short: Double, long: Double) {
    let short = try subject.measure(Self.shortCount, isLong: false)
    _ = try subject.measure(1, isLong: true)
    return (short, try subject.measure(Self.longCount, isLong: true))
  }
}
