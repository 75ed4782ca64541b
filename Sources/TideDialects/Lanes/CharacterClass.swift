/// What a character is to words: the one table behind word units and whole words.
enum CharacterClass {
  /// A letter, digit, mark or connecting punctuation: part of a longer word.
  case word
  /// A Han or Hiragana character: a word of its own, since those scripts put no space between words.
  case ideograph
  /// Part of a word when word characters stand on both sides.
  case apostrophe
  case other

  /// The class of a character above U+007F.
  static func ofWide(_ value: UInt32) -> CharacterClass {
    switch value {
    case 0x2019: return .apostrophe
    case 0x3005...0x3007, 0x3041...0x309F, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF:
      return .ideograph
    default: break
    }
    guard let scalar = Unicode.Scalar(value) else { return .other }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
      .spacingMark,
      .enclosingMark, .decimalNumber, .letterNumber, .otherNumber, .connectorPunctuation:
      return .word
    default: return .other
    }
  }
}
