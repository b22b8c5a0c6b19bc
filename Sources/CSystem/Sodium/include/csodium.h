// From libsodium: keyed BLAKE2b, the tag of what goes upstream, and Ed25519, the signature of
// operators, of stations that answer them, and of networks.
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
/// A key pair of a seed of 32 bytes: 32 public and 64 secret ones.
static inline int csodium_key_pair(uint8_t *public_key, uint8_t *secret, const uint8_t *seed) {
  return crypto_sign_ed25519_seed_keypair(public_key, secret, seed);
}
static inline int csodium_sign(uint8_t *signature, const uint8_t *message, size_t message_bytes, const uint8_t *secret) {
  return crypto_sign_ed25519_detached(signature, NULL, message, message_bytes, secret);
}
/// From the kernel; csodium_start must have succeeded.
static inline uint64_t csodium_random(void) {
  uint64_t value;
  randombytes_buf(&value, sizeof value);
  return value;
}
