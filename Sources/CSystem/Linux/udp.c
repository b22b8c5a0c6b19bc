// UDP over IPv6 and IPv4, behind addresses of one form.

#include "include/clinux.h"

#include <arpa/inet.h>
#include <endian.h>
#include <netdb.h>
#include <stdio.h>

static const uint64_t mapped = 0xFFFF00000000;

static int is_mapped(const struct clinux_address *a) { return a->high == 0 && a->low >> 32 == mapped >> 32; }

static struct sockaddr_in6 wide(const struct clinux_address *a) {
  struct sockaddr_in6 wide = {.sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
  uint64_t halves[2] = {htobe64(a->high), htobe64(a->low)};
  memcpy(&wide.sin6_addr, halves, sizeof halves);
  return wide;
}

/// The address as a socket of the family takes it; 0 where it has no such address.
static socklen_t form(const struct clinux_address *a, int is_ipv4, struct sockaddr_in6 *formed) {
  if (!is_ipv4) {
    *formed = wide(a);
    return sizeof *formed;
  }
  struct sockaddr_in narrow = {.sin_family = AF_INET, .sin_port = htons(a->port)};
  narrow.sin_addr.s_addr = htonl((uint32_t)a->low);
  memcpy(formed, &narrow, sizeof narrow);
  errno = EAFNOSUPPORT;
  return is_mapped(a) || (a->high | a->low) == 0 ? sizeof narrow : 0;
}

void clinux_read_address(const struct sockaddr *formed, struct clinux_address *a) {
  memset(a, 0, sizeof *a);
  if (formed->sa_family == AF_INET) {
    struct sockaddr_in narrow;
    memcpy(&narrow, formed, sizeof narrow);
    a->low = mapped | ntohl(narrow.sin_addr.s_addr);
    a->port = ntohs(narrow.sin_port);
  } else if (formed->sa_family == AF_INET6) {
    struct sockaddr_in6 wide;
    uint64_t halves[2];
    memcpy(&wide, formed, sizeof wide);
    memcpy(halves, &wide.sin6_addr, sizeof halves);
    a->high = be64toh(halves[0]);
    a->low = be64toh(halves[1]);
    a->scope = wide.sin6_scope_id;
    a->port = ntohs(wide.sin6_port);
  }
}

static int open_family(int family) {
  int s = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int no = 0;
  if (s >= 0 && family == AF_INET6) (void)setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  return s;
}

static int open_any(void) {
  int s = open_family(AF_INET6);
  return s >= 0 ? s : open_family(AF_INET);
}

int clinux_udp_is_ipv4(int socket) {
  int family = 0;
  socklen_t size = sizeof family;
  return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_INET;
}

int clinux_udp_open(const struct clinux_address *at) {
  int s = open_any();
  if (s < 0) return -1;
  struct sockaddr_in6 formed;
  socklen_t size = form(at, clinux_udp_is_ipv4(s), &formed);
  if (size > 0 && bind(s, (struct sockaddr *)&formed, size) == 0) return s;
  int saved = errno;
  close(s);
  errno = saved;
  return -1;
}

int clinux_udp_port(int socket) {
  struct sockaddr_in6 formed;
  socklen_t size = sizeof formed;
  if (getsockname(socket, (struct sockaddr *)&formed, &size) != 0) return -1;
  struct clinux_address a;
  clinux_read_address((struct sockaddr *)&formed, &a);
  return a.port;
}

int clinux_udp_bind_interface(int socket, const char *name) {
  return setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
}

ssize_t clinux_udp_send(int socket, int is_ipv4, const void *bytes, size_t count, const struct clinux_address *to) {
  struct sockaddr_in6 formed;
  socklen_t size = form(to, is_ipv4, &formed);
  if (size == 0) return -1;
  return sendto(socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&formed, size);
}

ssize_t clinux_udp_receive(int socket, void *bytes, size_t count, struct clinux_address *from) {
  struct sockaddr_in6 formed;
  socklen_t size = sizeof formed;
  memset(&formed, 0, sizeof formed);
  ssize_t n = recvfrom(socket, bytes, count, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&formed, &size);
  clinux_read_address((struct sockaddr *)&formed, from);
  return n;
}

int clinux_has_route(const struct clinux_address *to) {
  int probe = open_any();
  struct sockaddr_in6 formed;
  socklen_t size = probe < 0 ? 0 : form(to, clinux_udp_is_ipv4(probe), &formed);
  int failed = size == 0 || connect(probe, (struct sockaddr *)&formed, size) != 0;
  int saved = errno;
  if (probe >= 0) close(probe);
  errno = saved;
  return !failed;
}

static int look_up(const char *host, int flags, uint16_t port, unsigned turn, struct clinux_address *found) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = flags}, *all = NULL;
  if (getaddrinfo(host, NULL, &hints, &all) != 0 || all == NULL) return 0;
  unsigned count = 0;
  for (struct addrinfo *one = all; one != NULL; one = one->ai_next) count++;
  struct addrinfo *one = all;
  for (unsigned left = turn % count; left > 0; left--) one = one->ai_next;
  clinux_read_address(one->ai_addr, found);
  found->port = port;
  freeaddrinfo(all);
  return 1;
}

int clinux_resolve(const char *host, uint16_t port, unsigned turn, struct clinux_address *found) {
  return look_up(host, 0, port, turn, found);
}

int clinux_numeric_address(const char *text, uint16_t port, struct clinux_address *found) {
  // The resolver would also take "192.0.2" for an address.
  unsigned char any[16];
  if (inet_pton(AF_INET, text, any) != 1 && inet_pton(AF_INET6, text, any) != 1 && strchr(text, '%') == NULL) return 0;
  return look_up(text, AI_NUMERICHOST, port, 0, found);
}

void clinux_print_address(const struct clinux_address *address, char text[CLINUX_ADDRESS_TEXT]) {
  struct sockaddr_in6 formed = wide(address);
  char host[INET6_ADDRSTRLEN] = "?", scope[16] = "";
  if (is_mapped(address)) {
    uint32_t narrow = htonl((uint32_t)address->low);
    inet_ntop(AF_INET, &narrow, host, sizeof host);
    snprintf(text, CLINUX_ADDRESS_TEXT, "%s:%u", host, (unsigned)address->port);
    return;
  }
  inet_ntop(AF_INET6, &formed.sin6_addr, host, sizeof host);
  if (address->scope != 0) snprintf(scope, sizeof scope, "%%%u", (unsigned)address->scope);
  snprintf(text, CLINUX_ADDRESS_TEXT, "[%s%s]:%u", host, scope, (unsigned)address->port);
}
