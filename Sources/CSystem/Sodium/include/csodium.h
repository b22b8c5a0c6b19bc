// Keyed BLAKE2b from libsodium: the tag of every datagram.
#pragma once
#include <sodium.h>
#include <stdint.h>

/// Must succeed once before the rest: picks the CPU's implementation and opens the random source.
static inline int csodium_start(void) { return sodium_init(); }
static inline int csodium_tag(uint8_t *tag, size_t tag_bytes, const uint8_t *message, size_t message_bytes,
                              const uint8_t *key, size_t key_bytes) {
  return crypto_generichash(tag, tag_bytes, message, message_bytes, key, key_bytes);
}
/// Constant-time comparison; 0 when equal.
static inline int csodium_differs(const uint8_t *a, const uint8_t *b, size_t bytes) { return sodium_memcmp(a, b, bytes); }
