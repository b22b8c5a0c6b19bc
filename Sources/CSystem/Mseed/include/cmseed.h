// miniSEED 2 through libmseed 2.19, one record at a time from memory.
#pragma once
#include <stdint.h>
#include <stddef.h>

typedef struct {
  char network[11], station[11], location[11], channel[11];
  int64_t start_nanoseconds;   ///< UTC of the first sample
  double rate_hertz;
  int32_t record_bytes;        ///< length of the record in the buffer, also where it could not be decoded
  int32_t sample_count;
  const int32_t *samples;      ///< valid until the next call; NULL where the record is floating point
  const double *values;        ///< those of FLOAT32 and FLOAT64, valid until the next call; NULL where it is not
} cmseed_record;

enum { CMSEED_OK = 0, CMSEED_NOT_A_RECORD = 1, CMSEED_TRUNCATED = 2, CMSEED_UNDECODABLE = 3 };

/// Decodes the record at the start of the buffer.
int cmseed_next(const uint8_t *bytes, size_t count, cmseed_record *record);
/// Sends libmseed's own messages nowhere; call once.
void cmseed_silence(void);

/// Packs one channel as Steim2 records of 512 bytes into `bytes`; returns the number of bytes, -1 on failure.
long cmseed_pack(const char *network, const char *station, const char *location, const char *channel,
                 int64_t start_nanoseconds, double rate_hertz, const int32_t *samples, int64_t sample_count,
                 uint8_t *bytes, size_t capacity);
