import Testing
import TideCore

/// Bytes that the allocator has for its user at an address; glibc has it in a header that Swift does not import.
@_silgen_name("malloc_usable_size") private func usableByteCount(_ address: UnsafeMutableRawPointer) -> Int

/// What others rely on of a stream's memory.
@Suite struct HTTPStreamTests {
  @Test("What is fetched of a stream is all of it")
  func size() {
    let stream = HTTPStream(id: 1, carrier: StreamCarrier())
    let usable = usableByteCount(Unmanaged.passUnretained(stream).toOpaque())
    // The allocator gives up to sixteen bytes more than it was asked for.
    #expect(usable >= HTTPStream.byteCount && usable < HTTPStream.byteCount + 24)
  }
}
