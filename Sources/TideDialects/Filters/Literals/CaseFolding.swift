/// Simple case folding (Unicode, CaseFolding.txt, statuses C and S): one character for one, the same in every language.
///
/// So `ß` is not `ss`, the Turkish `İ` and `ı` equal only themselves, and a final `ς` equals `σ`. Texts are not normalised: `é` as
/// one character is not `e` with a combining accent.
///
/// The standard library has the full mappings only. Lower case of upper case, each where it is a single character, gives the same
/// classes; dotless `ı` is the one character whose upper case leads into a class that it is no member of.
enum CaseFolding {
  private static let dotlessI: UInt32 = 0x131

  /// The character that stands for all that differ from `value` in case only.
  static func fold(_ value: UInt32) -> UInt32 {
    if value < 0x80 { return value >= 0x41 && value <= 0x5A ? value &+ 0x20 : value }
    guard value != dotlessI, let scalar = Unicode.Scalar(value) else { return value }
    let upper = single(scalar.properties.uppercaseMapping) ?? scalar
    let lower = single(upper.properties.lowercaseMapping) ?? upper
    return lower.value
  }

  /// All characters that fold as `value` does, itself included, in ascending order.
  static func variants(of value: UInt32) -> [UInt32] {
    let folded = fold(value)
    return classes[folded] ?? [folded]
  }

  private static func single(_ mapping: String) -> Unicode.Scalar? {
    let scalars = mapping.unicodeScalars
    return scalars.count == 1 ? scalars.first : nil
  }

  /// Where characters with case are: not among ideographs, Hangul, surrogates, private use, cuneiform, hieroglyphs and Tangut. The first
  /// policy that ignores case pays for these tables, in its own time, so the wide blocks are left out.
  static let casedBlocks: [ClosedRange<UInt32>] = [
    0x41...0x2E7F, 0xA640...0xABFF, 0xFB00...0x11FFF, 0x16E00...0x16FFF, 0x1E000...0x1E943,
  ]

  /// Classes of more than one character.
  private static let classes: [UInt32: [UInt32]] = {
    var found: [UInt32: [UInt32]] = [:]
    for value in casedBlocks.joined() {
      guard let scalar = Unicode.Scalar(value), hasCase(scalar) else { continue }
      found[fold(value), default: []].append(value)
    }
    return found.filter { $0.value.count > 1 }
  }()

  static func hasCase(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.changesWhenLowercased || scalar.properties.changesWhenUppercased
  }
}
