/// One edit of a JSON text: the bytes from `start` to `end` give way to a range of a replacement buffer.
struct JSONSplice: BitwiseCopyable {
  var start: Int
  var end: Int
  var replacementStart: Int
  var replacementEnd: Int

  static func removal(_ start: Int, _ end: Int) -> JSONSplice {
    JSONSplice(start: start, end: end, replacementStart: 0, replacementEnd: 0)
  }
}
