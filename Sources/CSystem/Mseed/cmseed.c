#include "cmseed.h"
#include <libmseed.h>
#include <string.h>

#define EARLIEST_START (-2208988800LL * HPTMODULUS)  // 1900-01-01
#define LATEST_START (4133980800LL * HPTMODULUS)     // 2101-01-01

static void ignore(char *message) { (void)message; }
void cmseed_silence(void) { ms_loginit(ignore, "", ignore, ""); }

static uint16_t number_at(const uint8_t *bytes, int is_swapped) {
  uint16_t value;
  memcpy(&value, bytes, sizeof value);
  return is_swapped ? (uint16_t)(value << 8 | value >> 8) : value;
}

// As libmseed does: a year and a day that cannot be tell that the header has the other byte order.
static int is_swapped_header(const uint8_t *record) {
  return !MS_ISVALIDYEARDAY(number_at(record + 20, 0), number_at(record + 22, 0));
}

// The length that blockette 1000 states, which every miniSEED 2 record has; 0 without one. libmseed's own
// ms_detect follows blockettes past the end of what it is given.
static size_t stated_length(const uint8_t *record, size_t count) {
  int is_swapped = is_swapped_header(record);
  size_t blockette = number_at(record + 46, is_swapped);
  while (blockette >= 48 && blockette + 8 <= count) {
    uint16_t next = number_at(record + blockette + 2, is_swapped);
    if (number_at(record + blockette, is_swapped) == 1000) {
      uint8_t exponent = record[blockette + 6];
      return exponent >= 7 && exponent <= 20 ? (size_t)1 << exponent : 0;
    }
    if (next <= blockette) break;
    blockette = next;
  }
  return 0;
}

static size_t bytes_per_sample(int encoding) {
  switch (encoding) {
    case DE_ASCII: return 1;
    case DE_GEOSCOPE24: return 3;
    case DE_INT32: case DE_FLOAT32: return 4;
    case DE_FLOAT64: return 8;
    case DE_STEIM1: case DE_STEIM2: return 0;  // libmseed 2.19 knows where these end
    default: return 2;
  }
}

// libmseed 2.19 believes a record's header: it reads as many samples as are claimed, takes the length from
// whichever blockette 1000 comes last, and copies a blockette 2000 shorter than its own head as if it
// had 64 KiB. Whatever would make it read past the record is found here first.
static int is_within(const uint8_t *record, size_t length) {
  int is_swapped = is_swapped_header(record);
  size_t sample_count = number_at(record + 30, is_swapped);
  size_t data = number_at(record + 44, is_swapped);
  size_t blockette = number_at(record + 46, is_swapped);
  int encoding = DE_STEIM1;  // libmseed's own guess
  while (blockette != 0 && blockette < length) {
    if (blockette + 8 > length) return 0;
    uint16_t type = number_at(record + blockette, is_swapped);
    uint16_t next = number_at(record + blockette + 2, is_swapped);
    if (type == 1000) {
      encoding = record[blockette + 4];
      uint8_t exponent = record[blockette + 6];
      if (exponent > 20 || (size_t)1 << exponent != length) return 0;
    }
    if (type == 2000 && number_at(record + blockette + 4, is_swapped) < 15) return 0;
    if (next <= blockette) break;
    blockette = next;
  }
  return sample_count == 0 ||
         (data >= 48 && data < length && data + sample_count * bytes_per_sample(encoding) <= length);
}

// Steim's first frame states the last sample: wherever a bit is wrong, the sum of the differences
// misses it. libmseed says so in its log and hands the samples out all the same.
static int is_intact(const uint8_t *bytes, const MSRecord *record) {
  if (record->encoding != DE_STEIM1 && record->encoding != DE_STEIM2) return 1;
  const uint8_t *b = bytes + record->fsdh->data_offset + 8;
  uint32_t last = record->byteorder > 0
                      ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
                      : (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
  return last == (uint32_t)((const int32_t *)record->datasamples)[record->numsamples - 1];
}

int cmseed_next(const uint8_t *bytes, size_t count, cmseed_record *out) {
  static _Thread_local MSRecord *record = NULL;  // reused from call to call; libmseed keeps the sample buffer in it
  static _Thread_local double widened[1 << 16];
  char *start = (char *)(uintptr_t)bytes;
  memset(out, 0, sizeof *out);
  if (count < MINRECLEN || !MS_ISVALIDHEADER(bytes)) return CMSEED_NOT_A_RECORD;
  size_t length = stated_length(bytes, count);
  if (length == 0) return CMSEED_NOT_A_RECORD;
  if (length > count) return CMSEED_TRUNCATED;
  out->record_bytes = (int32_t)length;
  if (!is_within(bytes, length)) return CMSEED_UNDECODABLE;
  if (msr_unpack(start, (int)length, &record, 1, 0) != MS_NOERROR || !record) return CMSEED_UNDECODABLE;
  memcpy(out->network, record->network, sizeof out->network);
  memcpy(out->station, record->station, sizeof out->station);
  memcpy(out->location, record->location, sizeof out->location);
  memcpy(out->channel, record->channel, sizeof out->channel);
  // The years that SEED allows. Any two of these times can be subtracted in 64 bits of nanoseconds.
  if (record->starttime < EARLIEST_START || record->starttime > LATEST_START) return CMSEED_UNDECODABLE;
  out->start_nanoseconds = (int64_t)record->starttime * (1000000000 / HPTMODULUS);
  out->rate_hertz = record->samprate;
  if (record->numsamples <= 0 || record->numsamples > (1 << 16)) return CMSEED_UNDECODABLE;
  if (!is_intact(bytes, record)) return CMSEED_UNDECODABLE;
  out->sample_count = (int32_t)record->numsamples;
  if (record->sampletype == 'i') {
    out->samples = (const int32_t *)record->datasamples;
  } else if (record->sampletype == 'd') {
    out->values = (const double *)record->datasamples;
  } else if (record->sampletype == 'f') {
    for (int64_t i = 0; i < record->numsamples; i++) widened[i] = ((const float *)record->datasamples)[i];
    out->values = widened;
  } else {
    return CMSEED_UNDECODABLE;
  }
  return CMSEED_OK;
}

typedef struct {
  uint8_t *bytes;
  size_t used, capacity;
} sink;

static void collect(char *record, int length, void *context) {
  sink *s = context;
  if (s->used + (size_t)length > s->capacity) return;
  memcpy(s->bytes + s->used, record, (size_t)length);
  s->used += (size_t)length;
}

long cmseed_pack(const char *network, const char *station, const char *location, const char *channel,
                 int64_t start_nanoseconds, double rate_hertz, const int32_t *samples, int64_t sample_count,
                 uint8_t *bytes, size_t capacity) {
  MSRecord *msr = msr_init(NULL);
  if (!msr) return -1;
  ms_strncpclean(msr->network, network, 2);
  ms_strncpclean(msr->station, station, 5);
  ms_strncpclean(msr->location, location, 2);
  ms_strncpclean(msr->channel, channel, 3);
  msr->dataquality = 'D';
  msr->starttime = (hptime_t)(start_nanoseconds / (1000000000 / HPTMODULUS));
  msr->samprate = rate_hertz;
  msr->encoding = DE_STEIM2;
  msr->byteorder = 1;
  msr->reclen = 512;
  msr->sequence_number = 1;
  msr->sampletype = 'i';
  msr->datasamples = (void *)(uintptr_t)samples;
  msr->numsamples = sample_count;
  sink s = {bytes, 0, capacity};
  int64_t packed = 0;
  int records = msr_pack(msr, collect, &s, &packed, 1, 0);
  msr->datasamples = NULL;
  msr_free(&msr);
  return records < 0 || packed != sample_count ? -1 : (long)s.used;
}
