// libmicrohttpd, with what Swift cannot say of it: a call with a list of options of any length. And the page.
#pragma once
#include <microhttpd.h>
#include <stddef.h>
#include <stdint.h>

/// A server with one thread of its own at a numeric address, IPv4 or IPv6; NULL with errno where it cannot be had.
/// `completed` is called when a request is over, answered or not.
struct MHD_Daemon *chttp_start(const char *address, uint16_t port, MHD_AccessHandlerCallback answer,
                               MHD_RequestCompletedCallback completed, void *context);
/// Whether nobody from outside this machine reaches a numeric address.
int chttp_is_loopback(const char *address);
/// The port it has.
uint16_t chttp_port(struct MHD_Daemon *daemon);

/// NULL where the request has none.
static inline const char *chttp_query(struct MHD_Connection *connection, const char *name) {
  return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}
static inline const char *chttp_header(struct MHD_Connection *connection, const char *name) {
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}
/// With a copy of the bytes.
static inline struct MHD_Response *chttp_response(const void *bytes, size_t count) {
  return MHD_create_response_from_buffer(count, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
}
static inline enum MHD_Result chttp_result(int is_right) { return is_right ? MHD_YES : MHD_NO; }

/// page.html as it was at build time.
const uint8_t *chttp_page(void);
size_t chttp_page_count(void);
