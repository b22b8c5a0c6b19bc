// From libsodium: keyed BLAKE2b, the tag of what goes upstream; Ed25519, the signature of operators,
// of stations that answer them, and of networks; sealed boxes, in which a new key travels.
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
/// X25519: the public half, 32 bytes, of 32 secret ones.
static inline int csodium_exchange_public(uint8_t *public_key, const uint8_t *secret) {
  return crypto_scalarmult_base(public_key, secret);
}
/// For the holder of the secret half alone; 48 bytes longer than the message.
static inline int csodium_encrypt(uint8_t *sealed, const uint8_t *message, size_t message_bytes, const uint8_t *public_key) {
  return crypto_box_seal(sealed, message, message_bytes, public_key);
}
/// 0 when it was encrypted for this pair and is whole.
static inline int csodium_decrypt(uint8_t *message, const uint8_t *sealed, size_t sealed_bytes, const uint8_t *public_key,
                                  const uint8_t *secret) {
  return crypto_box_seal_open(message, sealed, sealed_bytes, public_key, secret);
}
/// HMAC-SHA-256 with a secret of any length; 32 bytes.
static inline void csodium_seal_sha256(uint8_t *seal, const char *text, size_t count, const uint8_t *secret, size_t secret_count) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, secret, secret_count);
  crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, count);
  crypto_auth_hmacsha256_final(&state, seal);
}
/// From the kernel; csodium_start must have succeeded.
static inline uint64_t csodium_random(void) {
  uint64_t value;
  randombytes_buf(&value, sizeof value);
  return value;
}
