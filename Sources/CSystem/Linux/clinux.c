#include "clinux.h"

#include <pthread.h>
#include <stdatomic.h>

// glibc hands main's arguments to every constructor as well.
static int argument_count;
static char **arguments;

__attribute__((constructor)) static void keep_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}

const char *clinux_argument(int index) { return index < argument_count ? arguments[index] : NULL; }

static _Atomic uint32_t resolved_address;

static void *resolve_until_found(void *host) {
  for (unsigned int wait_seconds = 1;; wait_seconds = wait_seconds < 60 ? 2 * wait_seconds : 60) {
    uint32_t address = clinux_resolve(host);
    if (address != 0) {
      atomic_store(&resolved_address, address);
      return NULL;
    }
    sleep(wait_seconds);
  }
}

int clinux_resolve_in_background(const char *host) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 256 * 1024);  // the resolver's own buffers are tens of kilobytes
  int error = pthread_create(&thread, &attributes, resolve_until_found, (void *)(uintptr_t)host);
  pthread_attr_destroy(&attributes);
  return error;
}

uint32_t clinux_resolved_address(void) { return atomic_load(&resolved_address); }
