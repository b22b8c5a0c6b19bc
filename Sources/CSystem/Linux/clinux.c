#include "clinux.h"

#include <errno.h>
#include <pthread.h>

// glibc hands main's arguments to every constructor as well.
static int argument_count;
static char **arguments;

__attribute__((constructor)) static void keep_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}

const char *clinux_argument(int index) { return index < argument_count ? arguments[index] : NULL; }

int clinux_start_thread(void *(*body)(void *), void *argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // The resolver's own buffers are tens of kilobytes, and the operator's tool keeps 256 of thread-local tables.
  // Pages that nobody touches cost nothing.
  pthread_attr_setstacksize(&attributes, 1024 * 1024);
  int error = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  return error;
}

static int connect_service_manager(void) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (path == NULL || strlen(path) >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@')) return -1;
  memcpy(a.sun_path, path, strlen(path));
  if (a.sun_path[0] == '@') a.sun_path[0] = 0;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
  if (connect(fd, (struct sockaddr *)&a, length) == 0) return fd;
  close(fd);
  return -1;
}

void clinux_notify_service_manager(const uint8_t *message, size_t count) {
  static int is_open, descriptor;
  if (!is_open) descriptor = connect_service_manager();
  is_open = 1;
  if (descriptor >= 0) (void)!send(descriptor, message, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t clinux_read_arrived(int device, void *bytes, size_t count) {
  ssize_t got = read(device, bytes, count);
  if (got > 0) return got;
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}
