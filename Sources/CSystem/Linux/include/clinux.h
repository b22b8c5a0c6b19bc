// libc and Linux as the station sees them. The ordinary and the Embedded build import this same header,
// so that there is one list of what the program asks of the kernel. Functions with C variadics or
// macros that Swift cannot import get a one-line inline here; there is no logic.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/// The program's arguments: Embedded Swift has no CommandLine. NULL past the last one.
const char *clinux_argument(int index);

static inline int clinux_open_read(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }
static inline int clinux_open_replace(const char *path) {
  return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}
static inline int clinux_open_update(const char *path) { return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); }
static inline int64_t clinux_file_size(int file) {
  struct stat status;
  return fstat(file, &status) == 0 ? (int64_t)status.st_size : -1;
}
static inline int clinux_open_directory(const char *path) {
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
static inline int clinux_errno(void) { return errno; }
static inline int clinux_mode_is_regular(mode_t mode) { return S_ISREG(mode); }
static inline void *clinux_map_anonymous(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
static inline int64_t clinux_clock_nanoseconds(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) return 0;
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int64_t clinux_monotonic_nanoseconds(void) { return clinux_clock_nanoseconds(CLOCK_MONOTONIC); }
static inline int64_t clinux_realtime_nanoseconds(void) { return clinux_clock_nanoseconds(CLOCK_REALTIME); }
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
static inline int clinux_udp_socket(void) {
  return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}
static inline int clinux_bind_any(int socket, uint32_t address_host_order, uint16_t port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(address_host_order);
  return bind(socket, (struct sockaddr *)&a, sizeof a);
}
static inline int clinux_bound_port(int socket) {
  struct sockaddr_in a;
  socklen_t n = sizeof a;
  if (getsockname(socket, (struct sockaddr *)&a, &n) != 0) return -1;
  return ntohs(a.sin_port);
}
/// 1 when the kernel knows a way to the address; 0 with errno set. Sends nothing.
static inline int clinux_has_route(uint32_t address, uint16_t port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(address);
  int probe = clinux_udp_socket();
  int failed = probe < 0 || connect(probe, (struct sockaddr *)&a, sizeof a) != 0;
  int saved = errno;
  if (probe >= 0) close(probe);
  errno = saved;
  return !failed;
}
static inline ssize_t clinux_send_to(int socket, const void *bytes, size_t count, uint32_t address, uint16_t port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(address);
  return sendto(socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof a);
}
static inline ssize_t clinux_receive_from(int socket, void *bytes, size_t count, uint32_t *address, uint16_t *port) {
  struct sockaddr_in a;
  socklen_t length = sizeof a;
  memset(&a, 0, sizeof a);
  ssize_t n = recvfrom(socket, bytes, count, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&a, &length);
  *address = ntohl(a.sin_addr.s_addr);
  *port = ntohs(a.sin_port);
  return n;
}
/// Dotted quad or host name to an IPv4 address in host order; 0 when it does not resolve. May block: start only.
static inline uint32_t clinux_resolve(const char *host) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *found = NULL;
  if (getaddrinfo(host, NULL, &hints, &found) != 0 || found == NULL) return 0;
  uint32_t address = ntohl(((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr.s_addr);
  freeaddrinfo(found);
  return address;
}
/// Free space for ordinary users on the file system of a path, MiB; −1 when it cannot be told.
static inline int64_t clinux_disk_free_mebibytes(const char *path) {
  struct statvfs volume;
  if (statvfs(path, &volume) != 0) return -1;
  return (int64_t)((uint64_t)volume.f_bavail * volume.f_frsize / 1048576);
}
/// "192.0.2.1" to an address in host order, without asking anybody; 0 for everything else.
static inline uint32_t clinux_numeric_address(const char *text) {
  struct in_addr address;
  return inet_pton(AF_INET, text, &address) == 1 ? ntohl(address.s_addr) : 0;
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
