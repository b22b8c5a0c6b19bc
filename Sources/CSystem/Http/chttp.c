#include "chttp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

// Browsers keep a few connections each, and everybody in the room has one that stays. A process has 1024 descriptors.
enum { connections = 256, silence_seconds = 30, request_bytes = 16384 };

static const uint8_t page[] = {
#embed "page.html"
};

struct MHD_Daemon *chttp_start(const char *address, uint16_t port, MHD_AccessHandlerCallback answer,
                               MHD_RequestCompletedCallback completed, void *context) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
  int is_four = inet_pton(AF_INET, address, &four.sin_addr) == 1;
  if (!is_four && inet_pton(AF_INET6, address, &six.sin6_addr) != 1) return errno = EINVAL, NULL;
  unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (is_four ? 0 : MHD_USE_IPv6);
  const struct sockaddr *place = is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six;
  errno = 0;
  return MHD_start_daemon(flags, 0, NULL, NULL, answer, context, MHD_OPTION_SOCK_ADDR, place,
                          MHD_OPTION_NOTIFY_COMPLETED, completed, context, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)connections, MHD_OPTION_CONNECTION_TIMEOUT,
                          (unsigned int)silence_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)request_bytes,
                          MHD_OPTION_END);
}

int chttp_is_loopback(const char *address) {
  struct in_addr four;
  struct in6_addr six;
  if (inet_pton(AF_INET, address, &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
  return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

uint16_t chttp_port(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info ? info->port : 0;
}

const uint8_t *chttp_page(void) { return page; }
size_t chttp_page_count(void) { return sizeof page; }
