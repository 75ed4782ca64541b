import Testing

@testable import TideCore

@Suite struct NearestNameTests {
  @Test func suggestsWhatIsCloseAndNothingElse() {
    #expect(nearestName(to: "listners", among: ["listeners", "limits"]) == "listeners")
    #expect(nearestName(to: "zzz", among: ["listeners", "limits"]) == nil)
  }
}
