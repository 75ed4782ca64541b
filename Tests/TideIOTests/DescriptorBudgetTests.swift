import TideCore
import Testing

@testable import TideIO

@Suite struct DescriptorBudgetTests {
  @Test func addsUp() throws {
    let budget = try DescriptorBudget.plan(
      connections: 15_000, isExplicit: true, upstreamConnections: 512, workers: 2, hardLimit: 20_000)
    #expect(budget.need == 15_000 + 512 + 128 + 256)
    #expect(budget.connections == 15_000 && budget.note.isEmpty)
  }

  @Test func refusesAnExplicitFigureWithTheArithmetic() {
    let error = #expect(throws: Diagnostic.self) {
      try DescriptorBudget.plan(
        connections: 30_000, isExplicit: true, upstreamConnections: 500, workers: 2, hardLimit: 20_000)
    }
    let text = error?.description ?? ""
    #expect(text.contains("30000 connections + 500 to endpoints + 2 workers x 64 + 256 = 30884 descriptors"))
    #expect(text.contains("20000") && text.contains("at most 19116"))
  }

  @Test func lowersADefault() throws {
    let budget = try DescriptorBudget.plan(
      connections: 30_000, isExplicit: false, upstreamConnections: 500, workers: 2, hardLimit: 20_000)
    #expect(budget.connections == 19_116 && budget.need == 20_000)
    #expect(budget.note.contains("lowered to 19116"))
  }

  @Test func refusesWhenNothingIsLeftAndNeverOverflows() {
    #expect(throws: Diagnostic.self) {
      try DescriptorBudget.plan(
        connections: 10, isExplicit: false, upstreamConnections: 5000, workers: 1, hardLimit: 1024)
    }
    #expect(throws: Diagnostic.self) {
      try DescriptorBudget.plan(
        connections: .max, isExplicit: true, upstreamConnections: .max, workers: .max, hardLimit: 1024)
    }
  }
}
