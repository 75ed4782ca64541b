import Foundation

/// A seccomp filter on the calling thread and the threads that it starts, as container runtimes set one for whole processes.
struct SystemCallRefusal {
  static let ioUringSetup: UInt32 = 425
  static let ioUringEnter: UInt32 = 426

  /// One instruction of the kernel's filter machine.
  private struct Instruction {
    var code: UInt16
    var jumpTrue: UInt8 = 0
    var jumpFalse: UInt8 = 0
    var operand: UInt32
  }

  private struct Program {
    var count: UInt16
    var instructions: UnsafeMutablePointer<Instruction>
  }

  /// From now on the system call of that number fails with `code`.
  static func install(_ number: UInt32, failsWith code: Int32) {
    var instructions = [
      Instruction(code: 0x20, operand: 0),
      Instruction(code: 0x15, jumpTrue: 0, jumpFalse: 1, operand: number),
      Instruction(code: 0x06, operand: 0x0005_0000 | UInt32(code)),
      Instruction(code: 0x06, operand: 0x7fff_0000),
    ]
    instructions.withUnsafeMutableBufferPointer { buffer in
      guard let first = buffer.baseAddress else { return }
      var program = Program(count: UInt16(buffer.count), instructions: first)
      // PR_SET_NO_NEW_PRIVS, without which only root may filter; PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
      let restricted = control(38, 1, 0, 0, 0)
      let installed = withUnsafeMutablePointer(to: &program) { control(22, 2, UInt(bitPattern: $0), 0, 0) }
      precondition(restricted == 0 && installed == 0, "no seccomp here: errno \(errno)")
    }
  }

  /// Runs `body` on a thread of its own, which may forbid itself things.
  static func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) -> R {
    nonisolated(unsafe) var result: R?
    let done = DispatchSemaphore(value: 0)
    Thread {
      result = body()
      done.signal()
    }.start()
    done.wait()
    return result!
  }
}

@_silgen_name("prctl")
private func control(_ option: Int32, _ second: UInt, _ third: UInt, _ fourth: UInt, _ fifth: UInt) -> Int32
