import TideCore

enum HeaderListFixture {
  static func list(_ pairs: [(String, String)]) -> HeaderList { HeaderList(pairs) }
}
