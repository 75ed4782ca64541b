// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target. Release builds leave out the run-time checks for overlapping access, which cost more than half of the token path;
/// debug builds, and so the tests, keep them.
let swift: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

let package = Package(
  name: "tidegate",
  products: [.executable(name: "tidegate", targets: ["tidegate"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    // The C libraries, each entered through one Swift module.
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    // Found without pkg-config, one of whose flags SwiftPM refuses with a warning.
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
    .systemLibrary(name: "CLua", pkgConfig: "lua5.4", providers: [.apt(["liblua5.4-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CBrotli", pkgConfig: "libbrotlidec", providers: [.apt(["libbrotli-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(
      name: "CBrotliEncoder", path: "Tests/CBrotliEncoder", pkgConfig: "libbrotlienc",
      providers: [.apt(["libbrotli-dev"])]),
    .target(name: "CLinux"),
    .target(name: "CPrefetch"),
    .target(name: "CLuaShim", dependencies: ["CLua"]),

    // The streaming core.
    .target(name: "TideCore", swiftSettings: swift),
    .target(name: "TideIO", dependencies: ["TideCore", "CLinux", "CPrefetch", "COpenSSL"], swiftSettings: swift),
    .target(name: "TideHTTP1", dependencies: ["TideCore"], swiftSettings: swift),
    .target(name: "TideHTTP2", dependencies: ["TideCore", "CPrefetch", "CNghttp2"], swiftSettings: swift),
    .target(name: "TideHTTP", dependencies: ["TideCore", "TideIO", "TideHTTP1", "TideHTTP2"], swiftSettings: swift),
    .target(name: "TideDialects", dependencies: ["TideCore", "CPrefetch"], swiftSettings: swift),
    .target(name: "TideCoding", dependencies: ["CZlib", "CBrotli", "CZstd"], swiftSettings: swift),

    // Policies.
    .target(name: "TideRegex", swiftSettings: swift),
    .target(name: "TideLua", dependencies: ["TideCore", "CLuaShim"], swiftSettings: swift),
    .target(
      name: "TidePolicy", dependencies: ["TideCore", "TideRegex", "TideLua", "TideDialects", "CPrefetch"],
      swiftSettings: swift),

    // What gateways share.
    .target(name: "TideStore", dependencies: ["TideCore", "CHiredis"], swiftSettings: swift),

    // The composition.
    .target(
      name: "TideConfig", dependencies: ["TideCore", .product(name: "Yams", package: "Yams")], swiftSettings: swift),
    .target(
      name: "TideTelemetry", dependencies: ["TideCore", .product(name: "Logging", package: "swift-log")],
      swiftSettings: swift),
    .target(
      name: "TideEngine", dependencies: ["TideCore", "TideIO", "TideHTTP", "TideDialects", "CPrefetch"],
      swiftSettings: swift),
    .target(
      name: "TideBench",
      dependencies: [
        "TideCore", "TideIO", "TideHTTP1", "TideHTTP2", .product(name: "Histogram", package: "hdrhistogram-swift"),
      ], swiftSettings: swift),
    .target(
      name: "TideGateway",
      dependencies: [
        "TideCore", "TideIO", "TideHTTP", "TideDialects", "TideCoding", "TideLua", "TidePolicy", "TideStore",
        "TideConfig", "TideTelemetry", "TideEngine", "CPrefetch", .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: swift),
    .executableTarget(
      name: "tidegate",
      dependencies: [
        "TideGateway", "TideEngine", "TideBench", "TideConfig", "TidePolicy",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: swift),

    .testTarget(name: "TideCoreTests", dependencies: ["TideCore"], swiftSettings: swift),
    .testTarget(name: "TideIOTests", dependencies: ["TideIO", "TideCore", "CLinux", "COpenSSL"], swiftSettings: swift),
    .testTarget(name: "TideHTTP1Tests", dependencies: ["TideHTTP1", "TideCore"], swiftSettings: swift),
    .testTarget(name: "TideHTTP2Tests", dependencies: ["TideHTTP2"], swiftSettings: swift),
    .testTarget(
      name: "TideEngineTests",
      dependencies: ["TideEngine", "TideHTTP", "TideIO", "TideDialects", "TideCore"], swiftSettings: swift),
    .testTarget(
      name: "TideBenchTests", dependencies: ["TideBench", "TideEngine", "TideHTTP", "TideHTTP2", "TideIO", "TideCore"],
      swiftSettings: swift),
    .target(
      name: "CodingFixtures", dependencies: ["TideCoding", "CZlib", "CZstd", "CBrotliEncoder"],
      path: "Tests/CodingFixtures", swiftSettings: swift),
    .testTarget(
      name: "TideCodingTests", dependencies: ["TideCoding", "TideCore", "CodingFixtures"], swiftSettings: swift),
    .testTarget(name: "TideDialectsTests", dependencies: ["TideDialects", "TideCore"], swiftSettings: swift),
    .testTarget(name: "TideRegexTests", dependencies: ["TideRegex", "TideCore"], swiftSettings: swift),
    .testTarget(name: "TideLuaTests", dependencies: ["TideLua", "CLuaShim"], swiftSettings: swift),
    .testTarget(
      name: "TidePolicyTests", dependencies: ["TidePolicy", "TideIO", "TideCore"], swiftSettings: swift),
    .testTarget(name: "TideStoreTests", dependencies: ["TideStore", "TideCore"], swiftSettings: swift),
    .testTarget(name: "TideConfigTests", dependencies: ["TideConfig"], swiftSettings: swift),
    .testTarget(name: "TideTelemetryTests", dependencies: ["TideTelemetry"], swiftSettings: swift),
    .testTarget(
      name: "TideGatewayTests",
      dependencies: [
        "TideGateway", "TideHTTP", "TideEngine", "TideCore", "TideIO", "TideConfig", "TidePolicy", "TideTelemetry",
        "TideDialects", "TideCoding", "CodingFixtures",
      ], swiftSettings: swift),
  ],
  cLanguageStandard: .gnu11
)
