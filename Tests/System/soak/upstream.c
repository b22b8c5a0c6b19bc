// upstream PORT: writes every datagram that comes to this port of the machine to standard output, one after another,
// each behind the CLOCK_MONOTONIC_RAW nanoseconds at which it came, as eight bytes.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
  if (count != 2) return 2;
  int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("upstream");
    return 1;
  }
  for (;;) {
    char datagram[401];
    ssize_t length = recv(descriptor, datagram, sizeof datagram, 0);
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    int64_t came = t.tv_sec * 1000000000LL + t.tv_nsec;
    if (length < 0 || write(1, &came, sizeof came) != sizeof came) return 1;
    if (write(1, datagram, (size_t)length) != length) return 1;
  }
}
