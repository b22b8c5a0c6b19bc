// notified SOCKET: the service manager's end of sd_notify. Prints each message, its lines joined, behind the CLOCK_MONOTONIC nanoseconds
// at which it came.
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (count != 2 || strlen(arguments[1]) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, arguments[1]);
  unlink(arguments[1]);
  int descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
    perror(arguments[1]);
    return 1;
  }
  for (;;) {
    char message[256];
    ssize_t length = recv(descriptor, message, sizeof message - 1, 0);
    if (length < 0) return 1;
    message[length] = 0;
    for (char *end = message; (end = strchr(end, '\n'));) *end = ' ';
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%lld %s\n", t.tv_sec * 1000000000LL + t.tv_nsec, message);
    fflush(stdout);
  }
}
