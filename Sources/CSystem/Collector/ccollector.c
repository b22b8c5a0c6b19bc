#define _GNU_SOURCE
#include "ccollector.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/// A second of a country's health messages may come at once.
enum { RECEIVE_BUFFER_BYTES = 8 << 20 };

int ccollector_open(uint16_t port) {
  int descriptor = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  int no = 0, bytes = RECEIVE_BUFFER_BYTES;
  setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  // Beyond the system's limit where that is allowed, else up to it.
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
    int failure = errno;
    close(descriptor);
    return -failure;
  }
  return descriptor;
}

uint16_t ccollector_port(int socket) {
  struct sockaddr_in6 address;
  socklen_t length = sizeof address;
  return getsockname(socket, (struct sockaddr *)&address, &length) == 0 ? ntohs(address.sin6_port) : 0;
}

int ccollector_receive(int socket, ccollector_batch *batch, int milliseconds) {
  struct pollfd waiting = {.fd = socket, .events = POLLIN};
  int ready = poll(&waiting, 1, milliseconds);
  if (ready <= 0) return ready == 0 || errno == EINTR ? 0 : -errno;
  struct mmsghdr messages[CCOLLECTOR_BATCH];
  struct iovec places[CCOLLECTOR_BATCH];
  memset(messages, 0, sizeof messages);
  for (int k = 0; k < CCOLLECTOR_BATCH; k++) {
    places[k] = (struct iovec){batch->bytes[k], CCOLLECTOR_BYTES};
    messages[k].msg_hdr.msg_iov = &places[k];
    messages[k].msg_hdr.msg_iovlen = 1;
    messages[k].msg_hdr.msg_name = &batch->sender[k];
    messages[k].msg_hdr.msg_namelen = sizeof batch->sender[k];
  }
  int count = recvmmsg(socket, messages, CCOLLECTOR_BATCH, MSG_DONTWAIT, NULL);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  for (int k = 0; k < count; k++) batch->length[k] = messages[k].msg_len;
  return count;
}

void ccollector_send(int socket, const uint8_t *bytes, size_t count, const struct sockaddr_in6 *to) {
  (void)!sendto(socket, bytes, count, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof *to);
}

int ccollector_bind_text(sqlite3_stmt *statement, int place, const char *text, int length) {
  return sqlite3_bind_text(statement, place, text, length, SQLITE_TRANSIENT);
}
