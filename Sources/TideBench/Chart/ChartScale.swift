import Glibc

/// Maps values to positions along an axis, and says where its ticks stand.
struct ChartScale {
  let isLogarithmic: Bool
  let domain: ClosedRange<Double>
  /// Positions of the domain's ends; the first may be the greater one.
  let range: (from: Double, to: Double)

  /// A linear scale from 0 to a round number not below `values`, or a logarithmic one between round numbers when they differ too much
  /// to be read off a linear one.
  static func fitting(_ values: [Double], range: (from: Double, to: Double)) -> ChartScale {
    let positive = values.filter { $0 > 0 && $0.isFinite }
    guard let least = positive.min(), let most = positive.max() else {
      return ChartScale(isLogarithmic: false, domain: 0...1, range: range)
    }
    if most / least > 40 {
      return ChartScale(isLogarithmic: true, domain: roundBelow(least)...roundAbove(most), range: range)
    }
    let step = niceStep(most / 5)
    return ChartScale(isLogarithmic: false, domain: 0...(step * (most / step).rounded(.up)), range: range)
  }

  /// A logarithmic scale whose ends are a little beyond `values`, for counts.
  static func counts(_ values: [Double], range: (from: Double, to: Double)) -> ChartScale {
    let least = max(values.min() ?? 1, 1)
    let most = max(values.max() ?? 1, least)
    let margin = least == most ? 2 : pow(most / least, 0.04)
    return ChartScale(isLogarithmic: true, domain: (least / margin)...(most * margin), range: range)
  }

  func position(_ value: Double) -> Double {
    let share =
      isLogarithmic
      ? (log(max(value, domain.lowerBound)) - log(domain.lowerBound))
        / (log(domain.upperBound) - log(domain.lowerBound))
      : (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
    return range.from + share * (range.to - range.from)
  }

  /// Round values inside the domain, at most about ten.
  var ticks: [Double] {
    if !isLogarithmic {
      let step = Self.niceStep(domain.upperBound / 5)
      return (0...Int((domain.upperBound / step).rounded())).map { Double($0) * step }
    }
    let decades = log10(domain.upperBound / domain.lowerBound)
    let steps: [Double] = decades > 4 ? [1] : decades > 2.2 ? [1, 3] : [1, 2, 5]
    let first = Int(log10(domain.lowerBound).rounded(.down))
    let last = Int(log10(domain.upperBound).rounded(.up))
    return (first...last).flatMap { decade in steps.map { $0 * pow(10, Double(decade)) } }.filter {
      $0 >= domain.lowerBound * 0.999 && $0 <= domain.upperBound * 1.001
    }
  }

  /// 1, 2 or 5 times a power of ten, not below `value`.
  static func niceStep(_ value: Double) -> Double { roundAbove(value) }

  private static func roundAbove(_ value: Double) -> Double {
    let power = pow(10, log10(value).rounded(.down))
    return ([1, 2, 5, 10].first { $0 * power >= value * 0.999 } ?? 10) * power
  }

  private static func roundBelow(_ value: Double) -> Double {
    let power = pow(10, log10(value).rounded(.down))
    return ([5, 2, 1].first { $0 * power <= value * 1.001 } ?? 1) * power
  }
}
