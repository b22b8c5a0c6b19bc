# make demo       a synthetic earthquake through the whole chain
# make test       what must hold, in a quarter of an hour
# make test-long  what must hold and takes longer; CI runs it as well
# make firmware   onsetd as Embedded Swift, proved allocation-free
# make board-test the AArch64 firmware on an emulated board: real kernel, sound card and pins; faults
# make soak       a day of the firmware in a quarter of an hour, in virtual time
# make test-quorum  stations of one site, as processes, whose alarms wait for each other
# make test-time  a station beside a real chronyd, which it tells of its pulse and asks for the time
# make test-sensor  digitizers on the pins of a board, in virtual time: the kernel's own driver, an SPI bus
# make package    Debian packages of station, tools and collector, in .build/packages; RELEASE=13, ARCH=arm64
# make package-test  the same, installed, upgraded, rolled back and removed in a system of that release
# make bench      what the loop, the kernels and networks cost on this machine
# make format     rewrites the sources in house style; make lint complains instead
#
# demo, test, test-long, board-test and package install the Debian packages that are missing; the rest expects them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

STATION_PACKAGES := libasound2-dev libgpiod-dev libsodium-dev
TOOL_PACKAGES := $(STATION_PACKAGES) libmseed-dev libsqlite3-dev libmicrohttpd-dev libcurl4-openssl-dev libpq-dev libmosquitto-dev
TEST_PACKAGES := $(TOOL_PACKAGES) gcc libc6-dev python3 python3-numpy python3-scipy binutils gcc-aarch64-linux-gnu qemu-user-static
ROOM_PACKAGES := chromium
COUNTRY_PACKAGES := postgresql nats-server mosquitto mosquitto-clients
BOARD_PACKAGES := $(STATION_PACKAGES) libmseed-dev python3 gcc-aarch64-linux-gnu qemu-system-arm cpio kmod xz-utils
PACKAGE_PACKAGES := $(TOOL_PACKAGES) gcc libc6-dev dpkg-dev debootstrap lintian mount gcc-aarch64-linux-gnu
PACKAGE_TEST_PACKAGES := $(PACKAGE_PACKAGES) python3 systemd-container qemu-user-static qemu-system-arm cpio kmod xz-utils e2fsprogs man-db
SOAK_PACKAGES := $(TOOL_PACKAGES) gcc make flex bison bc xz-utils python3 python3-numpy python3-scipy
SOAK_HOURS ?= 24
# The digitizer's, in frames; 80 as on a board makes it four times slower.
SOAK_PERIOD ?= 800
FIRMWARE := .build/firmware
# The Debian release and the processor that packages are for.
RELEASE ?= 12
ARCH ?= $(shell dpkg --print-architecture)
AARCH64 := .build/aarch64/onsetd
SANITIZED := .build/sanitized
FUZZ_ITERATIONS ?= 1000000
# Debian's chrony: installed, or unpacked by packages-chrony.
CHRONY = $(if $(wildcard /usr/sbin/chronyd),/,.cache/chrony)
# With PyOcto and ObsPy, where packages-association has made it.
PYTHON = $(firstword $(wildcard .cache/association/bin/python) python3)
SWIFT_FILES = Package.swift $(shell find Sources Tests -name '*.swift')

# Installs those of the packages in $(1) that are missing, with sudo when not root.
define install
	missing=""; for p in $(1); do dpkg -s $$p > /dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
	  root=""; [ "$$(id -u)" = 0 ] || root=sudo; \
	  $$root apt-get -qq update; \
	  DEBIAN_FRONTEND=noninteractive $$root apt-get -qq -y --no-install-recommends install $$missing > /dev/null; fi
endef

.PHONY: demo test test-long test-swift test-firmware test-inputs test-quorum test-time test-sensor test-collector test-calibration test-aarch64 test-training board-test soak fuzz firmware bench format lint \
  package package-test packages-package packages-package-test \
  packages packages-test packages-chrony packages-board packages-room packages-country packages-association packages-soak clean

demo: packages
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	swift build -c release --product onset-collector
	.build/release/onset demo --svg .build/demo.svg --collector .build/release/onset-collector

test: packages-test lint test-swift test-firmware test-training

test-long: packages-test test-inputs test-quorum test-time test-collector test-calibration test-aarch64 fuzz board-test

test-swift:
	swift build --build-tests
	swift build --product asound_module_pcm_onset
	swift test --skip-build

# Embedded Swift; the compiler refuses allocations in Swift, the check refuses them in what Swift calls.
firmware:
	ONSET_FIRMWARE=1 swift build -c release --scratch-path $(FIRMWARE) --product onsetd
	Tests/System/check-firmware.sh $(FIRMWARE)/release

test-firmware: firmware
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	swift build -c release --product onset-collector
	python3 Tests/System/test_firmware.py $(FIRMWARE)/release/onsetd .build/release
	python3 Tests/System/test_doctor.py $(FIRMWARE)/release/onsetd .build/release
	python3 Tests/System/test_tools.py .build/release
	python3 Tests/System/test_phasenet.py .build/release
	python3 Tests/System/test_estimates.py .build/release

# Digitizers that are no card, each through the interface that it really has: most of the time they wait.
test-inputs: firmware
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	/usr/bin/python3 Tests/System/test_inputs.py $(FIRMWARE)/release/onsetd .build/release AnyShakeTest & line=$$!; \
	  /usr/bin/python3 Tests/System/test_inputs.py $(FIRMWARE)/release/onsetd .build/release ShakeTest SetupTest; wait $$line

test-quorum: firmware
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	python3 Tests/System/test_quorum.py $(FIRMWARE)/release/onsetd .build/release

test-time: packages-chrony firmware
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	python3 Tests/System/test_time.py $(FIRMWARE)/release/onsetd .build/release $(CHRONY)

# The collector with real servers, a browser and an association service, each where it is installed.
test-collector: firmware
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	swift build -c release --product onset-collector
	python3 Tests/System/test_collector.py .build/release
	$(PYTHON) Tests/System/test_room.py .build/release
	python3 Tests/System/test_country.py .build/release
	# One of them waits most of the time, the others compute.
	python3 Tests/System/test_fleet.py .build/release $(FIRMWARE)/release/onsetd & fleet=$$!; \
	  $(PYTHON) calibration/association/test_associate.py; \
	  $(PYTHON) Tests/System/test_association.py .build/release; wait $$fleet
	$(PYTHON) Tests/System/test_networks.py .build/release $(FIRMWARE)/release/onsetd

# Instrument files of published stations against ObsPy's responses, where it is installed.
test-calibration:
	swift build -c release --product onset
	$(PYTHON) Tests/System/test_calibration.py .build/release

# The same datagrams from Embedded and ordinary Swift, on x86-64 and AArch64.
test-aarch64: firmware
	swift build -c release --product onset
	swift build -c release --product onsetd
	swift build -c release --product asound_module_pcm_onset
	swift build -c release --product kernel-check
	Tests/System/aarch64.sh .cache/aarch64 .build/aarch64 $(FIRMWARE)/release/onsetd .build/release

# In QEMU, with a stock Debian kernel; CASES="FaultyBoard.test_no_pulse …" chooses among Tests/System/test_board.py.
$(AARCH64): $(shell find Sources -type f) Tests/System/aarch64.sh Tests/System/private-apt.sh
	Tests/System/aarch64.sh .cache/aarch64 .build/aarch64

board-test: packages-board $(AARCH64)
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	Tests/System/board/prepare.sh .cache/board .cache/aarch64/root .build/board
	/usr/bin/python3 Tests/System/test_board.py $(AARCH64) .build/release .build/board $(CASES)

# In User Mode Linux with virtual time; the first call builds its kernel, which takes five minutes.
soak: packages-soak firmware
	swift build -c release --product onset
	swift build -c release --product asound_module_pcm_onset
	Tests/System/soak/kernel.sh .cache/soak
	Tests/System/soak/soak.sh .cache/soak .build/soak $(FIRMWARE)/release/onsetd .build/release \
	  $(SOAK_HOURS) $(SOAK_PERIOD)
	python3 Tests/System/soak/soak.py .build/soak/root/out $(SOAK_HOURS)

# A sensor of the kernel's Industrial I/O, in the soak's kernel.
test-sensor: packages-soak firmware
	swift build -c release --product onset
	Tests/System/soak/kernel.sh .cache/soak
	/usr/bin/python3 Tests/System/sensor/sensor.py .cache/soak .build/sensor $(FIRMWARE)/release/onsetd .build/release

package: packages-package
	boards/packages/build.sh $(RELEASE) $(ARCH) .build/packages .cache/packages

# In Debian systems of their own, which systemd-nspawn boots: as root.
package-test: packages-package-test package
	/usr/bin/python3 Tests/System/test_packages.py $(RELEASE) $(ARCH) .build/packages .cache/packages

# The file format and the integer reference; what needs PyTorch, ObsPy or the data is skipped without. By Debian's
# interpreter, the one that its NumPy is for.
test-training:
	/usr/bin/python3 -m unittest discover -s calibration/training

# Swift and the C shims under AddressSanitizer; the shims under UndefinedBehaviorSanitizer too (swiftc has
# none on Linux). libmseed comes uninstrumented from Debian: its input ends at an inaccessible page.
fuzz:
	swift build -c release --scratch-path $(SANITIZED) --product onset-fuzz --sanitize address \
	  -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined
	$(SANITIZED)/release/onset-fuzz all --iterations $(FUZZ_ITERATIONS)

bench: firmware
	swift build -c release
	.build/release/onset bench
	python3 Tests/System/bench_firmware.py $(FIRMWARE)/release/onsetd .build/release
	@echo "against ONNX Runtime and LiteRT: see Tests/System/bench_peers.py"
	@echo "against ObsPy: python3 Tests/System/bench_obspy.py .build/release/onset FILE.mseed"

format:
	swift format --configuration .swift-format --in-place $(SWIFT_FILES)

lint:
	swift format lint --configuration .swift-format --strict $(SWIFT_FILES)

packages:
	@$(call install,$(TOOL_PACKAGES))

packages-test:
	@$(call install,$(TEST_PACKAGES))

# Where chrony is not installed it is unpacked and no more: installed, it would take the machine's clock over.
packages-chrony:
	@test "$(CHRONY)" = / || test -x $(CHRONY)/usr/sbin/chronyd || { mkdir -p $(CHRONY); cd $(CHRONY); \
	  apt-get -qq download $$(apt-get -s --no-install-recommends install chrony | sed -n 's/^Inst \([^ ]*\) .*/\1/p'); \
	  for deb in *.deb; do dpkg-deb -x "$$deb" .; done; }

# A browser, for the collector's page; without it that test is left out, except by CI.
packages-room:
	@$(call install,$(ROOM_PACKAGES))

# Servers for many collectors; each test without its own is left out, except by CI.
packages-country:
	@$(call install,$(COUNTRY_PACKAGES))

# No Debian packages: PyOcto associates, ObsPy reads what the collector tells.
packages-association:
	@$(call install,python3-venv)
	test -x .cache/association/bin/python || python3 -m venv .cache/association
	.cache/association/bin/python -c 'import pyocto, obspy' 2> /dev/null || \
	  .cache/association/bin/pip install --quiet --disable-pip-version-check pyocto obspy 'numpy<2.3'

packages-soak:
	@$(call install,$(SOAK_PACKAGES))

packages-package:
	@$(call install,$(PACKAGE_PACKAGES))

packages-package-test:
	@$(call install,$(PACKAGE_TEST_PACKAGES))

packages-board:
	@$(call install,$(BOARD_PACKAGES))

clean:
	rm -rf .build .cache
