#include "clinux.h"

#include <sys/time.h>

// What chronyd takes over the socket of a refclock of the kind SOCK, as its own receiver has it.
struct sample {
  struct timeval time;
  double offset;
  int pulse;
  int leap;
  int unused;
  int magic;
};

static int name_socket(const char *path, struct sockaddr_un *address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (strlen(path) < sizeof address->sun_path) {
    strcpy(address->sun_path, path);
    return 0;
  }
  errno = ENAMETOOLONG;
  return -1;
}

int clinux_chrony_open(void) { return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

int clinux_chrony_tell(int socket, const char *path, int64_t realtime_nanoseconds, int64_t ahead_nanoseconds) {
  struct sockaddr_un to;
  if (name_socket(path, &to) != 0) return -1;
  struct sample sample;
  memset(&sample, 0, sizeof sample);
  sample.time.tv_sec = realtime_nanoseconds / 1000000000;
  sample.time.tv_usec = realtime_nanoseconds % 1000000000 / 1000;
  sample.offset = (double)ahead_nanoseconds * 1e-9;
  sample.pulse = 1;
  sample.magic = 0x534f434b;  // "SOCK"
  ssize_t sent = sendto(socket, &sample, sizeof sample, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
  return sent == (ssize_t)sizeof sample ? 0 : -1;
}

int clinux_chrony_takes(int socket, const char *path) {
  struct sockaddr_un to;
  return name_socket(path, &to) == 0 ? connect(socket, (struct sockaddr *)&to, sizeof to) : -1;
}
