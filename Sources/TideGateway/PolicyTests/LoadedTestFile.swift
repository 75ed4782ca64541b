import TideCore
import TideLua
import TidePolicy

/// A file of tests in a machine of its own: what it declares is known.
struct LoadedTestFile {
  private static let memoryLimit = 256 << 20

  let machine: LuaMachine
  let host: PolicyTestHost
  let helpers: TestHelpers

  /// - Parameters:
  ///   - folder: holds the policy that the tests stand beside.
  ///   - budgetNs: what loading may take of the processor.
  /// - Throws: what is wrong with the file, at its line.
  init(_ file: PolicyTestFile, in folder: PolicyFolder, seed: UInt64, budgetNs: UInt64) throws(Diagnostic) {
    host = PolicyTestHost(source: folder.sources.first { $0.name == file.policy })
    do {
      let source = try PolicyFolder.read(file.path)
      machine = try LuaMachine(
        options: LuaMachineOptions(memorySoftLimit: Self.memoryLimit, randomSeed: seed, patternStepLimit: 0),
        host: host)
      machine.setClock(nanoseconds: RehearsalClock().wallNs)
      try host.install(on: machine)
      let environment = try machine.makeEnvironment()
      helpers = try TestHelpers(machine, environment)
      _ = try machine.load(
        source: source, chunkName: file.path, environment: environment, budgetNs: budgetNs
      ).get()
    } catch {
      throw Self.diagnostic(error, file.path)
    }
    host.declarationsEnd()
  }

  private static func diagnostic(_ error: any Error, _ path: String) -> Diagnostic {
    switch error {
    case let failure as LuaFailure:
      Diagnostic(
        file: failure.file.isEmpty ? path : failure.file, line: failure.line,
        message: UnknownTestName.explained(failure.message))
    case let diagnostic as Diagnostic: diagnostic
    default: Diagnostic(file: path, message: "\(error)")
    }
  }
}
