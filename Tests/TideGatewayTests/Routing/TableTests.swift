import Testing
import TideConfig
import TideCore

@testable import TideGateway

@Suite struct TableTests {
  private func configuration(_ text: String) throws -> GatewayConfiguration {
    try ConfigurationLoader.load(
      text: "clusters: [ { name: a, engine: { mode: echo } }, { name: b, engine: { mode: echo } } ]\n" + text,
      file: "/tmp/test.yaml", environment: [:]
    ).get().configuration
  }

  private func head(_ method: String, _ headers: [(String, String)] = []) -> RequestHead {
    RequestHead(method: method, path: "/", headers: HeaderList(headers))
  }

  @Test func theFirstRouteThatMatchesTakesTheRequest() throws {
    let table = RouteTable(
      routes: try configuration(
        """
        routes:
          - { name: gpt, match: { path: /v1/*, model: "gpt-*" }, cluster: a }
          - { name: post, match: { path: /v1/*, method: POST }, cluster: a }
          - { name: host, match: { host: "*.example.com" }, cluster: b }
        """
      ).routes)
    #expect(table.firstMatch(head("POST"), path: "/v1/x", host: "h") == 0)
    #expect(table.firstMatch(head("POST"), path: "/v1/x", host: "h", model: "gpt-4") == 0)
    #expect(table.firstMatch(head("POST"), path: "/v1/x", host: "h", model: "llama") == 1)
    #expect(table.firstMatch(head("POST"), path: "/v1/x", host: "h", model: nil) == 1)
    #expect(table.firstMatch(head("GET"), path: "/v2", host: "a.example.com", model: nil) == 2)
    #expect(table.firstMatch(head("GET"), path: "/v2", host: "h", model: nil) == nil)
  }

  @Test func anExactModelWinsOverAGlob() throws {
    let table = ModelTable(
      entries: try configuration(
        """
        models:
          - { id: "gpt-*", cluster: a }
          - { id: "*", cluster: b }
          - { id: gpt-4, targets: [ { cluster: b, model: four }, { cluster: a } ] }
        """
      ).models)
    #expect(
      table.targets(for: "gpt-4") == [
        ModelTable.Target(cluster: "b", model: "four"), ModelTable.Target(cluster: "a"),
      ])
    #expect(table.targets(for: "gpt-5") == [ModelTable.Target(cluster: "a")])
    #expect(table.targets(for: "x") == [ModelTable.Target(cluster: "b")])
    #expect(table.listed.map(\.id) == ["gpt-4"])
    #expect(table.listed.map(\.owner) == ["b"])
  }

  @Test func requestKindsFollowMethodAndPath() {
    #expect(RequestKind(method: "POST", path: "/v1/chat/completions") == .chat)
    #expect(RequestKind(method: "GET", path: "/v1/chat/completions") == .other)
    #expect(RequestKind(method: "GET", path: "/v1/models/x") == .models)
    #expect(RequestKind(method: "GET", path: "/v1/models/") == .other)
    #expect(RequestKind(method: "POST", path: "/v1/models") == .other)
    #expect(RequestKind(method: "POST", path: "/v1/embeddings").readsBody)
  }
}
