// What the collector needs of Linux and SQLite that Swift cannot say: many datagrams with one call, and texts that
// SQLite copies.
#pragma once
#include <malloc.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

enum { CCOLLECTOR_BATCH = 256, CCOLLECTOR_BYTES = 512 };

/// Datagrams as they came: `length[k]` bytes from `bytes[k]`, sent by `sender[k]`.
typedef struct {
  uint8_t bytes[CCOLLECTOR_BATCH][CCOLLECTOR_BYTES];
  uint32_t length[CCOLLECTOR_BATCH];
  struct sockaddr_in6 sender[CCOLLECTOR_BATCH];
} ccollector_batch;

/// A socket for IPv4 and IPv6 on a port, 0 for any; −errno on failure.
int ccollector_open(uint16_t port);
/// The port it has.
uint16_t ccollector_port(int socket);
/// Waits for datagrams, up to so many milliseconds, and takes those that are there; their number, or −errno.
int ccollector_receive(int socket, ccollector_batch *batch, int milliseconds);
/// Sends one; what the network does not take is lost.
void ccollector_send(int socket, const uint8_t *bytes, size_t count, const struct sockaddr_in6 *to);

/// Binds a text that SQLite copies.
int ccollector_bind_text(sqlite3_stmt *statement, int place, const char *text, int length);

/// What the C library's heap has given out, for measurements.
static inline size_t ccollector_allocated_bytes(void) {
  struct mallinfo2 use = mallinfo2();
  return use.uordblks + use.hblkhd;
}
