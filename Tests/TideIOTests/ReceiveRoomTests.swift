import Glibc
import TideCore
import Testing

@testable import TideIO

@Suite struct ReceiveRoomTests {
  @Test func theKernelChoosesWhereLittleMayBeAskedFor() {
    #expect(ReceiveRoom.request(4 << 20, limit: 4 << 20) == 4 << 20)
    #expect(ReceiveRoom.request(4 << 20, limit: 2 << 20) == 4 << 20)
    // What a new Linux allows, and where the file cannot be read.
    #expect(ReceiveRoom.request(4 << 20, limit: 212_992) == nil)
    #expect(ReceiveRoom.request(4 << 20, limit: 0) == nil)
    #expect(ReceiveRoom.limit >= 2_304)
  }

  /// `SO_RCVBUF` of a connection that asks for so much.
  private func receiveBuffer(_ harness: Harness, _ address: SocketAddress, _ bytes: Int32?) -> Int32 {
    harness.run { worker in
      let connection = SocketConnection(worker: worker, connectingTo: address, tls: nil, receiveBytes: bytes)
      var value: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      let result = getsockopt(connection.descriptor, SOL_SOCKET, SO_RCVBUF, &value, &size)
      connection.abort()
      return result == 0 ? value : -1
    }
  }

  @Test func aConnectionGetsWhatItAsksForAndOthersTheKernelsChoice() {
    let harness = Harness()
    let (address, _) = harness.listen(.echo)
    let plain = receiveBuffer(harness, address, nil)
    // A size that no machine refuses. The kernel doubles what it is asked for.
    #expect(receiveBuffer(harness, address, 100_002) == 200_004)
    #expect(plain != 200_004 && plain > 0)
    #expect(receiveBuffer(harness, address, .max) == (ReceiveRoom.limit >= Int(Int32.max) / 2 ? .max - 1 : plain))
  }
}
