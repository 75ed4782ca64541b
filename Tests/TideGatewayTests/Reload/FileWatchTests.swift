import Glibc
import Testing

@testable import TideGateway

@Suite struct FileWatchTests {
  private let folder: String

  init() {
    var template = Array("/tmp/tidegate-watch-XXXXXX\0".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    mkdir(folder + "/p", 0o755)
  }

  private func write(_ text: String, _ name: String) { GatewayHarness.write(text, to: folder + "/" + name) }

  /// A watch that expectations can take hold of.
  private final class Watch {
    private let folder: String
    private var watch = FileWatch()

    init(_ folder: String) {
      self.folder = folder
      again()
    }

    func again() { watch.watch(files: [folder + "/c.yaml"], folder: folder + "/p") }
    func hasChanged() -> Bool { watch.hasChanged() }
    func drainEvents() -> Bool { watch.drainEvents() }
  }

  private func watch() -> Watch { Watch(folder) }

  @Test func contentDecides() {
    write("one", "c.yaml")
    let watch = watch()
    #expect(!watch.hasChanged())
    write("one", "c.yaml")
    #expect(!watch.hasChanged())
    write("other", "c.yaml")
    #expect(watch.hasChanged())
  }

  @Test func filesThatComeAndGoAreChanges() {
    write("one", "c.yaml")
    let watch = watch()
    write("return {}", "p/a.lua")
    #expect(watch.hasChanged())
    watch.again()
    #expect(!watch.hasChanged())
    unlink(folder + "/p/a.lua")
    #expect(watch.hasChanged())
    write("x", "p/notes.txt")
    watch.again()
    write("yy", "p/notes.txt")
    #expect(!watch.hasChanged())
  }

  @Test func aSwappedSymbolicLinkIsAChange() {
    mkdir(folder + "/v1", 0o755)
    mkdir(folder + "/v2", 0o755)
    write("one", "v1/c.yaml")
    write("two", "v2/c.yaml")
    symlink("v1", folder + "/data")
    symlink("data/c.yaml", folder + "/c.yaml")
    let watch = watch()
    _ = watch.drainEvents()
    symlink("v2", folder + "/next")
    rename(folder + "/next", folder + "/data")
    #expect(watch.drainEvents())
    #expect(watch.hasChanged())
  }

  /// A build takes a while: what is saved meanwhile must not pass for what was built.
  @Test func whatChangesDuringABuildIsSeenAfterIt() {
    write("one", "c.yaml")
    let watch = watch()
    write("second", "c.yaml")
    #expect(watch.hasChanged())
    write("the third", "c.yaml")
    watch.again()
    #expect(watch.hasChanged())
    watch.again()
    #expect(!watch.hasChanged())
  }

  @Test func aFolderMadeAgainIsWatchedAgain() {
    write("one", "c.yaml")
    let watch = watch()
    rmdir(folder + "/p")
    _ = watch.drainEvents()
    mkdir(folder + "/p", 0o755)
    watch.again()
    _ = watch.drainEvents()
    write("return {}", "p/a.lua")
    #expect(watch.drainEvents())
  }
}
