// swift-tools-version: 6.2
// One source, two builds. Ordinary Swift for the tools and the tests:
//     swift build
// and, with ONSET_FIRMWARE=1 and a scratch path of its own, Embedded Swift in which the compiler
// refuses every allocation, for the program that runs on the station (see the Makefile):
//     ONSET_FIRMWARE=1 swift build -c release --scratch-path .build/firmware --product onsetd

import PackageDescription

let isFirmware = Context.environment["ONSET_FIRMWARE"] == "1"

// A message's fields are visited by what another module defines: without the bodies of the generic
// functions a collector spends its time on protocol witnesses.
let acrossModules: [SwiftSetting] = [
  .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))
]

// Nothing unwinds a stack of the firmware, and the debugger has its own table.
let noUnwindTables = "-fno-asynchronous-unwind-tables"

let stationSettings: [SwiftSetting] =
  isFirmware
  ? [
    .enableExperimentalFeature("Embedded"),
    .unsafeFlags(["-wmo", "-Xfrontend", "-no-allocations", "-Xfrontend", "-function-sections"]),
    // Without it each object brings a hash of itself for the next build, which is linked in.
    .unsafeFlags(["-Xfrontend", "-disable-incremental-llvm-codegen"]),
    // What is hot are the kernels, which are C; of the rest the small program is as fast.
    .unsafeFlags(["-Osize", "-Xcc", noUnwindTables]),
  ] : acrossModules

// Swift's own linker keeps one of several functions that are the same; no address is compared.
let firmwareLinkerSettings: [LinkerSetting] =
  isFirmware ? [.unsafeFlags(["-use-ld=lld", "-Xlinker", "--icf=all"])] : []

let stationCSettings: [CSetting] = isFirmware ? [.unsafeFlags([noUnwindTables])] : []

// From Core to Station: the station's path, in the order in which data flows.
var targets: [Target] = [
  // libm for the square root alone, the one function of it that IEEE 754 specifies to the last bit.
  .target(
    name: "CLinux", path: "Sources/CSystem/Linux", cSettings: stationCSettings,
    linkerSettings: [.linkedLibrary("m")]),
  .target(
    name: "CAlsa", path: "Sources/CSystem/Alsa", cSettings: stationCSettings,
    linkerSettings: [.linkedLibrary("asound")]),
  .target(
    name: "CGpiod", path: "Sources/CSystem/Gpiod", cSettings: stationCSettings,
    linkerSettings: [.linkedLibrary("gpiod")]),
  .target(
    name: "CSodium", path: "Sources/CSystem/Sodium", cSettings: stationCSettings,
    linkerSettings: [.linkedLibrary("sodium")]),
  .target(name: "Core", dependencies: ["CLinux"], swiftSettings: stationSettings),
  // Optimised in debug builds too, where the kernels would take minutes over their tests; and never
  // fused, because a product that is not rounded would differ between processors.
  .target(
    name: "CKernels", exclude: ["README.md"],
    cSettings: stationCSettings + [.unsafeFlags(["-O3", "-ffp-contract=off"])]),
  .target(
    name: "Kernels", dependencies: ["Core", "CKernels", "CLinux"], swiftSettings: stationSettings),
  .target(name: "Settings", dependencies: ["Core"], swiftSettings: stationSettings),
  .target(name: "Clock", dependencies: ["Core", "CLinux"], swiftSettings: stationSettings),
  .target(
    name: "Digitizer", dependencies: ["Core", "Settings", "Clock"], swiftSettings: stationSettings),
  .target(
    name: "Conditioning", dependencies: ["Core", "Settings", "Digitizer"],
    swiftSettings: stationSettings),
  .target(
    name: "Network", dependencies: ["Core", "Kernels", "CKernels", "CLinux", "CSodium"],
    exclude: ["ONET-FORMAT.md"], swiftSettings: stationSettings),
  .target(
    name: "Picker", dependencies: ["Core", "Settings", "Conditioning", "Kernels", "Network"],
    swiftSettings: stationSettings),
  .target(
    name: "Estimator", dependencies: ["Core", "Settings", "Conditioning", "Kernels", "Network"],
    swiftSettings: stationSettings),
  .target(
    name: "Uplink", dependencies: ["Core", "Settings", "CLinux", "CSodium"],
    exclude: ["WIRE-FORMAT.md"], swiftSettings: stationSettings),
  .target(
    name: "Decision", dependencies: ["Core", "Settings", "Conditioning", "Estimator"],
    swiftSettings: stationSettings),
  // What is a function of its inputs: no file, socket, clock or device among what it may import.
  .target(
    name: "Station",
    dependencies: [
      "Core", "Clock", "Digitizer", "Conditioning", "Picker", "Estimator", "Decision", "Uplink",
    ],
    swiftSettings: stationSettings),
  // What touches the machine.
  .target(
    name: "Pins", dependencies: ["Core", "Settings", "CLinux", "CGpiod"],
    swiftSettings: stationSettings),
  .target(
    name: "Devices",
    dependencies: ["Core", "Clock", "Digitizer", "Uplink", "CLinux", "CAlsa", "CGpiod"],
    swiftSettings: stationSettings),
  // The files that describe a station: each section is read by whom it concerns.
  .target(
    name: "Board",
    dependencies: ["Core", "Settings", "Digitizer", "Pins", "Picker", "Decision", "Uplink"],
    swiftSettings: stationSettings),
  .target(
    name: "Runtime",
    dependencies: [
      "Core", "Kernels", "Network", "Settings", "Clock", "Board", "Digitizer", "Conditioning",
      "Picker", "Estimator", "Decision", "Uplink", "Station", "Pins", "Devices", "CLinux",
      "CSodium",
    ],
    swiftSettings: stationSettings),
  .target(
    name: "Doctor",
    dependencies: [
      "Core", "Kernels", "Network", "Settings", "Clock", "Board", "Digitizer", "Conditioning",
      "Picker", "Estimator", "Uplink", "Station", "Pins", "Devices", "Runtime", "CLinux",
    ],
    swiftSettings: stationSettings),
  .executableTarget(
    name: "onsetd",
    dependencies: [
      "Core", "Kernels", "Network", "Settings", "Clock", "Board", "Digitizer", "Picker", "Station",
      "Pins", "Devices", "Runtime", "Doctor", "CLinux",
    ],
    swiftSettings: stationSettings + [.unsafeFlags(["-parse-as-library"])],
    linkerSettings: firmwareLinkerSettings),
]

var products: [Product] = [.executable(name: "onsetd", targets: ["onsetd"])]

// The operator's tools and the tests are ordinary Swift and use the ordinary build of the same
// modules.
if !isFirmware {
  products += [
    .executable(name: "onset", targets: ["onset"]),
    .executable(name: "onset-collector", targets: ["onset-collector"]),
    .executable(name: "kernel-check", targets: ["KernelCheck"]),
    .library(name: "asound_module_pcm_onset", type: .dynamic, targets: ["CSimulatedCard"]),
  ]
  let station: [Target.Dependency] = [
    "Core", "CKernels", "Kernels", "Network", "Settings", "Clock", "Board", "Digitizer",
    "Conditioning", "Picker", "Estimator", "Decision", "Uplink", "Station", "Pins", "Devices",
    "Runtime", "Doctor",
  ]
  // Every module that is imported is named: what is not is not rebuilt when it changes.
  let tools = station + ["Tools"]
  targets += [
    .target(
      name: "CMseed", path: "Sources/CSystem/Mseed", linkerSettings: [.linkedLibrary("mseed")]),
    .target(
      name: "CSimulatedCard", path: "Sources/CSystem/SimulatedCard",
      linkerSettings: [.linkedLibrary("asound")]),
    .target(
      name: "CPeak", path: "Sources/CSystem/Peak", cSettings: [.unsafeFlags(["-O3"])]),
    .target(
      name: "CModels", path: "Sources/CSystem/Models",
      cSettings: [.unsafeFlags(["-std=gnu23"])]),
    .target(
      name: "CCurl", path: "Sources/CSystem/Curl", linkerSettings: [.linkedLibrary("curl")]),
    .target(name: "CAllocationGuard", path: "Sources/CSystem/AllocationGuard"),
    .target(
      name: "Tools",
      dependencies: station + ["CMseed", "CAlsa", "CCurl", "CLinux", "CSodium", "CPeak", "CModels"]),
    .executableTarget(
      name: "onset", dependencies: tools + ["Collector"], exclude: ["README.md"]),
    .target(
      name: "CCollector", path: "Sources/CSystem/Collector",
      linkerSettings: [.linkedLibrary("sqlite3")]),
    .target(
      name: "CMosquitto", path: "Sources/CSystem/Mosquitto",
      linkerSettings: [.linkedLibrary("mosquitto")]),
    .target(
      name: "CPostgres", path: "Sources/CSystem/Postgres", linkerSettings: [.linkedLibrary("pq")]),
    .target(
      name: "CHttp", path: "Sources/CSystem/Http", exclude: ["page.html"],
      cSettings: [.unsafeFlags(["-std=gnu23"])], linkerSettings: [.linkedLibrary("microhttpd")]),
    .target(
      name: "Collector",
      dependencies: [
        "Core", "Clock", "Settings", "Uplink", "Devices", "Runtime", "Tools", "CCollector", "CHttp",
        "CMosquitto", "CPostgres", "CSodium", "CLinux",
      ]),
    .executableTarget(
      name: "onset-collector",
      dependencies: ["Core", "Uplink", "Devices", "Settings", "Tools", "Collector"],
      exclude: [
        "README.md", "collector.toml", "onset-collector.service", "page-dark.png", "page-light.png",
        "page-phone.png", "prometheus-alerts.yml",
      ]),
    .executableTarget(
      name: "onset-fuzz",
      dependencies: tools + ["Collector", "CMseed", "CSodium", "StationFixture"],
      path: "Tests/Fuzz"),
    // What the tests of a station and of what surrounds it have in common.
    .target(name: "StationFixture", dependencies: tools, path: "Tests/Fixture"),
    .executableTarget(
      name: "KernelCheck", dependencies: ["Core", "CKernels", "CLinux", "Kernels", "Network"],
      path: "Tests/KernelCheck", swiftSettings: [.unsafeFlags(["-parse-as-library"])]),
    .testTarget(
      name: "KernelsTests", dependencies: ["Core", "CKernels", "CLinux", "Kernels", "KernelCheck"]),
    .testTarget(name: "CoreTests", dependencies: ["Core", "CLinux"]),
    .testTarget(name: "BoardTests", dependencies: tools),
    .testTarget(name: "ClockTests", dependencies: ["Core", "Clock", "CLinux"]),
    .testTarget(name: "DigitizerTests", dependencies: ["Core", "Digitizer", "Settings", "Board"]),
    .testTarget(name: "ConditioningTests", dependencies: tools),
    .testTarget(
      name: "NetworkTests",
      dependencies: [
        "Core", "CKernels", "CLinux", "CAllocationGuard", "Kernels", "Network", "Tools",
      ]),
    .testTarget(name: "PickerTests", dependencies: tools + ["CAllocationGuard"]),
    .testTarget(name: "UplinkTests", dependencies: tools + ["StationFixture"]),
    .testTarget(name: "EstimatorTests", dependencies: tools),
    .testTarget(name: "DecisionTests", dependencies: tools),
    .testTarget(name: "DoctorTests", dependencies: tools + ["CLinux"]),
    .testTarget(
      name: "StationTests", dependencies: tools + ["CAllocationGuard", "StationFixture"]),
    .testTarget(
      name: "DevicesTests", dependencies: tools + ["CSimulatedCard", "CAlsa", "CLinux"]),
    .testTarget(
      name: "RuntimeTests", dependencies: tools + ["CAllocationGuard", "CLinux", "StationFixture"]),
    .testTarget(name: "ToolsTests", dependencies: tools + ["CMseed"]),
    .testTarget(name: "CollectorTests", dependencies: tools + ["Collector", "StationFixture"]),
  ]
}

let package = Package(
  name: "onset", products: products, targets: targets, swiftLanguageModes: [.v6])
