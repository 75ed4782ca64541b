// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: language mode 6, and `RawSpan` values may cross module boundaries as closure parameters.
let swift: [SwiftSetting] = [.swiftLanguageMode(.v6)]

let package = Package(
  name: "tidegate",
  targets: [
    .target(name: "TideCore", swiftSettings: swift),
    .testTarget(name: "TideCoreTests", dependencies: ["TideCore"], swiftSettings: swift),
  ],
  cLanguageStandard: .gnu11
)
