import TideCore
import TideDialects

/// What `/engine/stats` and `/engine/last` answer.
enum EngineReport {
  static func stats(_ ledgers: [EngineLedger]) -> ByteQueueBox {
    var sum = EngineLedger.Counts()
    for ledger in ledgers { sum += ledger.counts }
    let box = ByteQueueBox()
    box.bytes.append("{\"active_streams\":\(sum.active),\"requests\":\(sum.requests),\"completed\":\(sum.completed)")
    box.bytes.append(",\"cancelled\":\(sum.cancelled),\"broken\":\(sum.broken),\"tokens\":\(sum.tokens)}")
    return box
  }

  /// The request as it came: `headers` is a list of pairs, since a field may come twice.
  static func last(_ seen: EngineLedger.Seen) -> ByteQueueBox {
    let box = ByteQueueBox()
    box.bytes.append("{\"method\":")
    JSONText.quote(seen.head.method, into: &box.bytes)
    box.bytes.append(",\"path\":")
    JSONText.quote(seen.head.path, into: &box.bytes)
    box.bytes.append(",\"authority\":")
    JSONText.quote(seen.head.authority, into: &box.bytes)
    box.bytes.append(seen.isHTTP2 ? ",\"version\":\"h2\",\"headers\":[" : ",\"version\":\"http/1.1\",\"headers\":[")
    var isFirst = true
    seen.head.headers.forEach { name, value in
      box.bytes.append(isFirst ? "[" : ",[")
      isFirst = false
      box.bytes.append(JSONText.quoted(name))
      box.bytes.append(",")
      box.bytes.append(JSONText.quoted(value))
      box.bytes.append("]")
    }
    box.bytes.append("],\"body\":")
    seen.body.withUnsafeBytes { box.bytes.append(JSONText.quoted($0)) }
    box.bytes.append("}")
    return box
  }
}
