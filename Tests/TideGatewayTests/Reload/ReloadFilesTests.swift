import Glibc
import Testing
import TideCore

@testable import TideGateway

/// What is watched after a configuration that does not load, so that mending it is seen.
@Suite struct ReloadFilesTests {
  @Test func aBrokenConfigurationIsStillWatched() throws {
    var template = Array("/tmp/tidegate-reload-XXXXXX\0".utf8CString)
    let folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    let path = folder + "/own.yaml"
    GatewayHarness.write(
      "clusters: [ { name: a, engine: { mode: echo } } ]\nroutes: [ { name: r, cluster: a } ]\n", to: path)
    let builder = GenerationBuilder(
      configPath: nil, environment: ["TIDEGATE_CONFIG": path], services: .gateway(log: PolicyLogRelay()))
    defer { builder.stopEngines() }
    guard case .success = builder.build() else {
      Issue.record("the configuration was refused")
      return
    }
    GatewayHarness.write("clusters: [", to: path)
    guard case .failure(let failure) = builder.build() else {
      Issue.record("broken YAML was accepted")
      return
    }
    #expect(failure.files.contains(path))
  }
}
