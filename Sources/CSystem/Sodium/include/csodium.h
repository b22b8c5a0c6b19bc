// From libsodium: keyed BLAKE2b, the tag of every datagram, and Ed25519, the signature of a network.
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
/// Ed25519; 0 when the signature of 64 bytes is that of the key's holder.
static inline int csodium_verify(const uint8_t *signature, const uint8_t *message, size_t message_bytes,
                                 const uint8_t *key) {
  return crypto_sign_ed25519_verify_detached(signature, message, message_bytes, key);
}
