import CBrotliEncoder
import CZlib
import CZstd

import TideCoding

/// A body in the forms in which servers send it, by the libraries' own encoders.
public enum Encoded: String, CaseIterable, Sendable {
  case gzip, gzipMembers, zlib, rawDeflate, brotli, zstd, zstdChecked, zstdFrames

  public var coding: ContentCoding {
    switch self {
    case .gzip, .gzipMembers: .gzip
    case .zlib, .rawDeflate: .deflate
    case .brotli: .brotli
    case .zstd, .zstdChecked, .zstdFrames: .zstd
    }
  }

  /// Encodes `parts`, each flushed so that its reader gets all of it at once.
  ///
  /// - Returns: the coded bytes of each part; the end stands behind the last.
  public func encode(_ parts: [[UInt8]]) -> [[UInt8]] {
    switch self {
    case .gzip: zlibParts(parts, windowBits: 31)
    case .gzipMembers: parts.map { zlibParts([$0], windowBits: 31)[0] }
    case .zlib: zlibParts(parts, windowBits: 15)
    case .rawDeflate: zlibParts(parts, windowBits: -15)
    case .brotli: Self.brotliParts(parts)
    case .zstd: Self.zstdParts(parts)
    case .zstdChecked: Self.zstdParts(parts, checksum: true)
    case .zstdFrames: [Self.skippable] + parts.map { Self.zstdParts([$0])[0] }
    }
  }

  public func encode(_ body: [UInt8]) -> [UInt8] { Array(encode([body]).joined()) }

  /// A frame that decoders pass over.
  public static let skippable: [UInt8] = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]

  private func zlibParts(_ parts: [[UInt8]], windowBits: Int32) -> [[UInt8]] {
    var stream = z_stream()
    precondition(czlib_deflate_init(&stream, 6, windowBits) == Z_OK)
    defer { deflateEnd(&stream) }
    return parts.enumerated().map { index, part in
      var part = part
      var out: [UInt8] = []
      var block = [UInt8](repeating: 0, count: 4096)
      part.withUnsafeMutableBufferPointer { source in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        repeat {
          let count = block.count
          block.withUnsafeMutableBufferPointer { target in
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(count)
            deflate(&stream, index == parts.count - 1 ? Z_FINISH : Z_SYNC_FLUSH)
          }
          out += block[..<(count - Int(stream.avail_out))]
        } while stream.avail_out == 0
      }
      return out
    }
  }

  public static func brotliParts(_ parts: [[UInt8]], window: UInt32 = 18, isLarge: Bool = false) -> [[UInt8]] {
    let state = BrotliEncoderCreateInstance(nil, nil, nil)
    defer { BrotliEncoderDestroyInstance(state) }
    if isLarge { BrotliEncoderSetParameter(state, BROTLI_PARAM_LARGE_WINDOW, 1) }
    BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN, window)
    BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, 5)
    return parts.enumerated().map { index, part in
      let operation = index == parts.count - 1 ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH
      var out: [UInt8] = []
      part.withUnsafeBufferPointer { source in
        var next = source.baseAddress
        var available = source.count
        repeat {
          var none = 0
          var nowhere: UnsafeMutablePointer<UInt8>?
          BrotliEncoderCompressStream(state, operation, &available, &next, &none, &nowhere, nil)
          var size = 0
          while let taken = BrotliEncoderTakeOutput(state, &size), size > 0 {
            out += UnsafeBufferPointer(start: taken, count: size)
            size = 0
          }
        } while available > 0 || BrotliEncoderHasMoreOutput(state) != 0
          || (operation == BROTLI_OPERATION_FINISH && BrotliEncoderIsFinished(state) == 0)
      }
      return out
    }
  }

  public static func zstdParts(_ parts: [[UInt8]], checksum: Bool = false, windowLog: Int32 = 0) -> [[UInt8]] {
    let context = ZSTD_createCCtx()
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum ? 1 : 0)
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, windowLog)
    return parts.enumerated().map { index, part in
      var out: [UInt8] = []
      var block = [UInt8](repeating: 0, count: 4096)
      part.withUnsafeBytes { source in
        var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
        var left = 1
        while left != 0 {
          block.withUnsafeMutableBytes { room in
            var output = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
            left = ZSTD_compressStream2(
              context, &output, &input, index == parts.count - 1 ? ZSTD_e_end : ZSTD_e_flush)
            precondition(ZSTD_isError(left) == 0)
            out += room[..<output.pos]
          }
        }
      }
      return out
    }
  }
}
