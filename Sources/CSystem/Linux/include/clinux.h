// libc and Linux as the station sees them. The ordinary and the Embedded build import this same header,
// so that there is one list of what the program asks of the kernel. Functions with C variadics or
// macros that Swift cannot import get a one-line inline here; there is no logic.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/// The program's arguments: Embedded Swift has no CommandLine. NULL past the last one.
const char *clinux_argument(int index);

static inline int clinux_open_read(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }
static inline int clinux_open_replace(const char *path, mode_t mode) {
  return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
}
static inline int clinux_open_update(const char *path) { return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); }
static inline int64_t clinux_file_size(int file) {
  struct stat status;
  return fstat(file, &status) == 0 ? (int64_t)status.st_size : -1;
}
/// What it has is read without waiting.
static inline int clinux_open_device(const char *path) { return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); }
/// An attribute of a driver, which the kernel reads in one piece.
static inline int clinux_open_attribute(const char *path) { return open(path, O_WRONLY | O_TRUNC | O_CLOEXEC); }
/// Entries of an open folder, as the kernel writes them (struct linux_dirent64): readdir would use the heap.
static inline ssize_t clinux_directory_entries(int folder, void *entries, size_t bytes) {
  return syscall(SYS_getdents64, folder, entries, bytes);
}
static inline int clinux_open_directory(const char *path) {
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
// Only what comes over this interface is received; 0, or -1 with errno.
int clinux_udp_bind_interface(int socket, const char *name);

// A serial line of 8 bits without parity, for this process alone; -1 with errno.
int clinux_serial_open(const char *path, int baud);
// Bytes that have come over a line or from a device; 0: none yet; -1: it is gone.
ssize_t clinux_read_arrived(int device, void *bytes, size_t count);

/// The newest edge of a pulse device: how many there were, and when on the machine's clock it was; 0 for none.
struct clinux_pps_edge {
  uint32_t sequence;
  int64_t realtime_nanoseconds;
};
/// Asserted edges, or cleared ones. 0, or -1 with errno.
int clinux_pps_fetch(int device, int clear, struct clinux_pps_edge *edge);
// The socket of one of chronyd's refclocks (chrony.conf, `refclock SOCK`). None of these waits.
int clinux_chrony_open(void);
/// A pulse that was at so many nanoseconds of the machine's clock, when that clock was so much ahead of the second. It
/// does not say which second it was. 0, or -1 with errno.
int clinux_chrony_tell(int socket, const char *path, int64_t realtime_nanoseconds, int64_t ahead_nanoseconds);
/// Whether somebody listens there whom this process may tell something; 0, or -1 with errno. Tells nothing.
int clinux_chrony_takes(int socket, const char *path);
// An SPI bus in mode 1, words of eight bits, at most so fast; -1 with errno.
int clinux_spi_open(const char *path, uint32_t hertz);
/// So many bytes out and in, and a pause after them. All parts of an exchange go under one chip select.
struct clinux_spi_part {
  uint8_t out[8], in[8];
  uint8_t count;
  uint16_t pause_microseconds;
};
enum { CLINUX_SPI_PARTS = 4 };
/// 0, or -1 with errno.
int clinux_spi_exchange(int bus, uint32_t hertz, struct clinux_spi_part *parts, int count);
static inline void clinux_sleep_microseconds(unsigned microseconds) {
  struct timespec t = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
  while (nanosleep(&t, &t) != 0 && errno == EINTR) {}
}

static inline int clinux_errno(void) { return errno; }
static inline int clinux_mode_is_regular(mode_t mode) { return S_ISREG(mode); }
/// Zeros, all of them there: no page is still to come when the loop is under way.
static inline void *clinux_map_anonymous(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
static inline int64_t clinux_clock_nanoseconds(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) return 0;
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int64_t clinux_monotonic_nanoseconds(void) { return clinux_clock_nanoseconds(CLOCK_MONOTONIC); }
static inline int64_t clinux_realtime_nanoseconds(void) { return clinux_clock_nanoseconds(CLOCK_REALTIME); }
/// By how much the machine's clock is ahead of the monotonic one, and how long the look at both took.
static inline int64_t clinux_realtime_offset_nanoseconds(int64_t *took) {
  int64_t before = clinux_monotonic_nanoseconds(), now = clinux_realtime_nanoseconds();
  int64_t after = clinux_monotonic_nanoseconds();
  *took = after - before;
  return now - (before + (after - before) / 2);
}
static inline int64_t clinux_thread_cpu_nanoseconds(void) {
  return clinux_clock_nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}
/// The kernel's view of its own clock: ntp_adjtime's return state, status bits and both errors in microseconds.
static inline int clinux_kernel_clock(int *status, long *maximum_error_microseconds,
                                      long *estimated_error_microseconds) {
  struct timex t;
  memset(&t, 0, sizeof t);
  int state = adjtimex(&t);
  *status = t.status;
  *maximum_error_microseconds = t.maxerror;
  *estimated_error_microseconds = t.esterror;
  return state;
}
/// Its unit has this folder for as long as it runs.
static inline int clinux_timesyncd_runs(void) { return access("/run/systemd/timesync", F_OK) == 0; }
/// Pages stay once they have been touched. (Locking whole libraries at once would hold 10 MB that nobody uses.)
static inline int clinux_lock_memory(void) {
  return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}
static inline int clinux_realtime_priority(int priority) {
  struct sched_param p = {.sched_priority = priority};
  return sched_setscheduler(0, SCHED_FIFO, &p);
}
/// Blocks SIGTERM and SIGINT and returns a descriptor that becomes readable when one arrives.
static inline int clinux_termination_descriptor(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
/// Where a datagram comes from or goes to: an IPv6 address in host order, or an IPv4 one as ::ffff:192.0.2.1. Port 0:
/// nowhere.
struct clinux_address {
  uint64_t high, low;
  uint32_t scope;
  uint16_t port;
};
/// A socket for both families, or for IPv4 alone where the kernel knows no other; −1 with errno set. It listens at all
/// addresses where `at` has none.
int clinux_udp_open(const struct clinux_address *at);
/// Whether it is one for IPv4 alone.
int clinux_udp_is_ipv4(int socket);
int clinux_udp_port(int socket);
ssize_t clinux_udp_send(int socket, int is_ipv4, const void *bytes, size_t count, const struct clinux_address *to);
ssize_t clinux_udp_receive(int socket, void *bytes, size_t count, struct clinux_address *from);
/// 1 when the kernel knows a way to the address; 0 with errno set. Sends nothing.
int clinux_has_route(const struct clinux_address *to);
/// `turn` chooses among a name's addresses. 1 when there is one; may block.
int clinux_resolve(const char *host, uint16_t port, unsigned turn, struct clinux_address *found);
/// The same for "192.0.2.1" and "2001:db8::1", without asking anybody.
int clinux_numeric_address(const char *text, uint16_t port, struct clinux_address *found);
/// As the system has it.
void clinux_read_address(const struct sockaddr *formed, struct clinux_address *address);
enum { CLINUX_ADDRESS_TEXT = 80 };
/// "192.0.2.1:6464" or "[2001:db8::1]:6464".
void clinux_print_address(const struct clinux_address *address, char text[CLINUX_ADDRESS_TEXT]);
/// Free space for ordinary users on the file system of a path, MiB; −1 when it cannot be told.
static inline int64_t clinux_disk_free_mebibytes(const char *path) {
  struct statvfs volume;
  if (statvfs(path, &volume) != 0) return -1;
  return (int64_t)((uint64_t)volume.f_bavail * volume.f_frsize / 1048576);
}
/// What keeps a path: a disk as far as is known, memory, or an overlay, whose upper part may be memory.
enum { CLINUX_KEPT_ON_DISK, CLINUX_KEPT_IN_MEMORY, CLINUX_KEPT_BY_OVERLAY };
static inline int clinux_keeper(const char *path) {
  struct statfs volume;
  if (statfs(path, &volume) != 0) return CLINUX_KEPT_ON_DISK;
  switch ((uint32_t)volume.f_type) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC: return CLINUX_KEPT_IN_MEMORY;
    case OVERLAYFS_SUPER_MAGIC: return CLINUX_KEPT_BY_OVERLAY;
    default: return CLINUX_KEPT_ON_DISK;
  }
}
/// Starts a thread that is never joined, with a stack that a resolver needs; 0 when it runs.
int clinux_start_thread(void *(*body)(void *), void *argument);
/// A name server that is down must not hold up for a minute what waits behind the look-up.
static inline void clinux_bound_resolver(void) { (void)setenv("RES_OPTIONS", "timeout:2 attempts:1", 0); }
static inline int clinux_event_descriptor(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
/// Wakes whoever waits on an event descriptor.
static inline void clinux_signal_event(int descriptor) {
  uint64_t one = 1;
  (void)!write(descriptor, &one, sizeof one);
}
static inline void clinux_clear_event(int descriptor) {
  uint64_t count;
  (void)!read(descriptor, &count, sizeof count);
}
/// One message to the service manager named by NOTIFY_SOCKET; does nothing where there is none. The first call
/// opens the socket, the later ones touch no file system.
void clinux_notify_service_manager(const uint8_t *message, size_t count);
