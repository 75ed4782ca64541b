/// What is wrong with a test, in words for its author; raised where the test asked for it.
struct TestProblem: Error {
  var message: String
  init(_ message: String) { self.message = message }
}
