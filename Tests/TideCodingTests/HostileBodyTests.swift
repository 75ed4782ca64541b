import CodingFixtures
import Testing
import TideCore

@testable import TideCoding

/// Bodies that were made to harm: each gets its error, none more memory or time than an honest one.
@Suite struct HostileBodyTests {
  private static let text = Array("The quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. ".utf8)

  // MARK: Bombs

  /// Zeros, many more than a few KiB can honestly be.
  private static func bomb(_ form: Encoded, _ byteCount: Int = 24 << 20) -> [UInt8] {
    form.encode([UInt8](repeating: 0, count: byteCount))
  }

  @Test(arguments: Encoded.allCases) func aBombIsStoppedByTheRatio(_ form: Encoded) {
    let bomb = Self.bomb(form)
    #expect(bomb.count < 32 << 10)
    var decoder = ContentDecoder(form.coding, limits: DecodingLimits(byteCount: nil))
    var largest = 0
    var total = 0
    let failure = Decoding.feed(bomb[...], to: &decoder) {
      largest = max(largest, $0.count); total += $0.count
    }
    #expect(failure == .ratio)
    #expect(largest <= 16 << 10)
    #expect(total <= DecodingLimits.ratioFloor + DecodingLimits.ratio * bomb.count)
    // It stays stopped.
    #expect(Decoding.feed(bomb[...], to: &decoder) { _ in Issue.record("went on") } == .ratio)
    #expect(decoder.failureAtEnd() == .ratio)
  }

  @Test(arguments: Encoded.allCases) func aBombIsStoppedByTheLimit(_ form: Encoded) {
    let bomb = Self.bomb(form, 600_000)
    #expect(Decoding.of(bomb, form.coding).failure == nil)
    let decoded = Decoding.of(bomb, form.coding, byteCount: 500_000)
    #expect(decoded.failure == .tooLarge)
    #expect(decoded.body.count <= 500_000)
    #expect(Decoding.of(bomb, form.coding, byteCount: 600_000).failure == nil)
    #expect(Decoding.of(bomb, form.coding, byteCount: 599_999).failure == .tooLarge)
    let whole = bomb.withUnsafeBytes { ContentDecoder.decode($0, form.coding, byteLimit: 599_999) }
    #expect(whole == .failure(.tooLarge))
  }

  /// An honest stream that repeats itself at its end, as streams of the Responses dialect do, passes: the ratio is that of the whole.
  @Test(arguments: Encoded.allCases) func aLongStreamMayRepeatItself(_ form: Encoded) {
    var random = SeededNumbers(seed: 7)
    let events = (0..<3_000).map { number in
      Array(
        "data: {\"n\":\(number),\"delta\":\"\((0..<60).map { _ in String(random.below(36), radix: 36) }.joined())\"}\n\n"
          .utf8)
    }
    let coded = form.encode(events + (0..<4).map { _ in Array(events.joined()) })
    #expect(Decoding.of(coded.map { $0[...] }, form.coding, block: 16 << 10).failure == nil)
  }

  // MARK: Broken bodies

  @Test(arguments: Encoded.allCases) func everyTruncationIsFound(_ form: Encoded) {
    let coded = form.encode([Self.text, Self.text])
    let whole = Array(coded.joined())
    // Where a member or frame ends, a body may.
    var ends: Set<Int> = []
    if form == .gzipMembers { ends.insert(coded[0].count) }
    if form == .zstdFrames { ends.formUnion([coded[0].count, coded[0].count + coded[1].count]) }
    for count in 0..<whole.count where !ends.contains(count) {
      let decoded = Decoding.of(Array(whole[..<count]), form.coding)
      if decoded.failure != .truncated { Issue.record("\(count) of \(whole.count): \(decoded)") }
    }
  }

  @Test(arguments: Encoded.allCases) func whatFollowsTheEndIsFound(_ form: Encoded) {
    let coded = form.encode(Self.text)
    for rest in [[UInt8(0)], Array("x".utf8), Array("HTTP/1.1 200 OK".utf8)] {
      for pieces in [[(coded + rest)[...]], [coded[...], rest[...]]] {
        let decoded = Decoding.of(pieces, form.coding)
        #expect(decoded == Decoding(body: Self.text, failure: .trailing))
      }
    }
  }

  /// A changed byte is an error, or a body of other bytes; never a crash, and never more than the limit.
  @Test(arguments: Encoded.allCases) func everyCorruptByteIsSurvived(_ form: Encoded) {
    let coded = form.encode([Self.text, Self.text])
    let whole = Array(coded.joined())
    for index in whole.indices {
      for change in [UInt8(0x01), 0x80, 0xFF] {
        var broken = whole
        broken[index] ^= change
        let once = Decoding.of(broken, form.coding, byteCount: 100_000)
        let apart = Decoding.of(broken.map { [$0][...] }, form.coding, byteCount: 100_000)
        if !once.agrees(with: apart) { Issue.record("byte \(index) ^ \(change): \(once) <> \(apart)") }
      }
    }
  }

  @Test(arguments: [Encoded.gzip, .zlib, .zstdChecked]) func aWrongChecksumIsFound(_ form: Encoded) {
    var coded = form.encode(Self.text)
    // The checksum, or the first byte of it; gzip has its length behind.
    coded[coded.count - (form == .gzip ? 8 : 4)] ^= 0xFF
    // zstd gives a small frame out only once its checksum was compared.
    let body = form == .zstdChecked ? [] : Self.text
    #expect(Decoding.of(coded, form.coding) == Decoding(body: body, failure: .checksum))
    if form == .gzip {
      coded = form.encode(Self.text)
      coded[coded.count - 1] ^= 0xFF
      #expect(Decoding.of(coded, form.coding) == Decoding(body: Self.text, failure: .checksum))
    }
  }

  @Test(arguments: ContentCoding.allCases) func whatIsNotCodedIsCorrupt(_ coding: ContentCoding) {
    #expect(Decoding.of(Array("{\"choices\":[]}".utf8), coding).failure != nil)
    #expect(Decoding.of([], coding).failure == .truncated)
  }

  @Test func aPresetDictionaryIsRefused() {
    // A zlib header that announces one.
    #expect(Decoding.of([0x78, 0xBB, 0, 0, 0, 1, 3, 0], .deflate).failure == .corrupt)
  }

  /// Formats from before the standard, which the library may know: their windows are not limited.
  @Test func zstdFromBeforeTheStandardIsRefused() {
    for version in [UInt8(0x1E), 0x22, 0x23, 0x24, 0x25, 0x26, 0x27] {
      let frame = [version, 0xB5, 0x2F, 0xFD] + [UInt8](repeating: 0, count: 30)
      #expect(Decoding.of(frame, .zstd).failure == .corrupt)
      let behind = Decoding.of(Encoded.zstd.encode(Self.text) + frame, .zstd)
      #expect(behind == Decoding(body: Self.text, failure: .trailing))
    }
  }

  // MARK: Windows

  @Test func windowsOfMoreThan8MiBAreRefused() {
    for log: Int32 in [10, 17, 23] {
      #expect(Decoding.of(Encoded.zstdParts([Self.text, []], windowLog: log).flatMap(\.self), .zstd).body == Self.text)
    }
    for log: Int32 in [24, 27] {
      let coded = Encoded.zstdParts([Self.text, []], windowLog: log).flatMap(\.self)
      #expect(Decoding.of(coded, .zstd) == Decoding(failure: .window))
      #expect(Decoding.of(coded.map { [$0][...] }, .zstd) == Decoding(failure: .window))
    }
    for log: UInt32 in [10, 16, 17, 18, 22, 23] {
      let coded = Encoded.brotliParts([Self.text, []], window: log).flatMap(\.self)
      #expect(Decoding.of(coded, .brotli) == Decoding(body: Self.text))
    }
    let coded = Encoded.brotliParts([Self.text, []], window: 24).flatMap(\.self)
    #expect(Decoding.of(coded, .brotli) == Decoding(failure: .window))
    for log: UInt32 in [24, 30] {
      let large = Encoded.brotliParts([Self.text, []], window: log, isLarge: true).flatMap(\.self)
      #expect(Decoding.of(large, .brotli) == Decoding(failure: .window))
    }
  }

  // MARK: Members without end

  /// What takes bytes and gives none is read like any other bytes, and holds nothing.
  @Test func emptyMembersAreRead() {
    let member = Encoded.gzip.encode([UInt8]())
    let members = Array(repeatElement(member, count: 20_000).joined())
    #expect(Decoding.of(members, .gzip) == Decoding())
    let frames = Array(repeatElement(Encoded.skippable, count: 20_000).joined())
    #expect(Decoding.of(frames, .zstd) == Decoding())
  }

  // MARK: Mutations

  /// Seeded: nothing traps, nothing hangs, no limit is passed, and the verdict does not depend on where the bytes were cut.
  @Test func mutatedBodies() {
    var random = SeededNumbers(seed: 0x6d75_7461)
    let bodies = [
      Self.text, Array(repeatElement(Self.text, count: 50).joined()), random.bytes(2_000),
      [UInt8](repeating: 0, count: 70_000),
    ]
    let seeds = Encoded.allCases.flatMap { form in
      bodies.map { (form, form.encode([$0, $0])).1.flatMap(\.self) }.map { (form, $0) }
    }
    let limit = 200_000
    for round in 0..<2_400 {
      let (form, seed) = seeds[round % seeds.count]
      var bytes = seed
      for _ in 0...random.below(3) {
        let place = random.below(bytes.count + 1)
        switch random.below(5) {
        case 0: if place < bytes.count { bytes[place] = UInt8(random.below(256)) }
        case 1: bytes.insert(contentsOf: random.bytes(random.below(9)), at: place)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(9)))
        case 3: bytes.append(contentsOf: bytes[place...].prefix(40))
        default: bytes.append(contentsOf: seeds[random.below(seeds.count)].1.prefix(60))
        }
      }
      // Sometimes under another name.
      let coding = random.below(8) == 0 ? ContentCoding.allCases[random.below(4)] : form.coding
      let whole = Decoding.of(bytes, coding, byteCount: limit)
      let cut = random.below(bytes.count + 1)
      let halves = Decoding.of(
        [bytes[..<cut], bytes[cut...]], coding, byteCount: limit, block: 1 + random.below(20_000))
      if whole.body.count > limit || halves.body.count > limit { Issue.record("round \(round) passed the limit") }
      if !whole.agrees(with: halves) {
        Issue.record("round \(round), \(coding), cut at \(cut): \(whole.failure as Any) <> \(halves.failure as Any)")
      }
    }
  }
}
