/// How long each country's bank account numbers are: SWIFT's IBAN registry.
enum IBANLengths {
  /// - Returns: nil for a country that has none.
  static func length(_ first: UInt8, _ second: UInt8) -> Int? {
    guard first >= 0x41, first <= 0x5A, second >= 0x41, second <= 0x5A else { return nil }
    let length = table[Int(first &- 0x41) &* 26 &+ Int(second &- 0x41)]
    return length == 0 ? nil : Int(length)
  }

  private static let table: [UInt8] = {
    var table = [UInt8](repeating: 0, count: 26 * 26)
    for (length, countries) in registry {
      for country in countries.split(separator: " ") {
        let letters = Array(country.utf8)
        table[Int(letters[0] - 0x41) * 26 + Int(letters[1] - 0x41)] = length
      }
    }
    return table
  }()

  private static let registry: [(length: UInt8, countries: String)] = [
    (15, "NO"), (16, "BE"), (18, "DK FI FK FO GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"), (22, "BG BH CR DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"), (25, "LY PT ST"), (26, "IS TR"), (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"), (29, "BR EG PS QA UA"), (30, "JO KW MU YE"), (31, "MT SC"), (32, "LC"),
    (33, "RU"),
  ]
}
