#include "cmseed.h"
#include <libmseed.h>
#include <string.h>

static void ignore(char *message) { (void)message; }
void cmseed_silence(void) { ms_loginit(ignore, "", ignore, ""); }

int cmseed_next(const uint8_t *bytes, size_t count, cmseed_record *out) {
  static _Thread_local MSRecord *record = NULL;  // reused from call to call; libmseed keeps the sample buffer in it
  static _Thread_local int32_t converted[1 << 16];
  char *start = (char *)(uintptr_t)bytes;
  memset(out, 0, sizeof *out);
  if (count < MINRECLEN || !MS_ISVALIDHEADER(bytes)) return CMSEED_NOT_A_RECORD;
  int length = ms_detect(start, (int)(count > MAXRECLEN ? MAXRECLEN : count));
  if (length < 0) return CMSEED_NOT_A_RECORD;
  if (length == 0 || (size_t)length > count) return CMSEED_TRUNCATED;
  if (length < MINRECLEN || length > MAXRECLEN) return CMSEED_NOT_A_RECORD;
  out->record_bytes = length;
  if (msr_unpack(start, length, &record, 1, 0) != MS_NOERROR || !record) return CMSEED_UNDECODABLE;
  memcpy(out->network, record->network, sizeof out->network);
  memcpy(out->station, record->station, sizeof out->station);
  memcpy(out->location, record->location, sizeof out->location);
  memcpy(out->channel, record->channel, sizeof out->channel);
  out->start_nanoseconds = (int64_t)record->starttime * (1000000000 / HPTMODULUS);
  out->rate_hertz = record->samprate;
  if (record->numsamples <= 0 || record->numsamples > (1 << 16)) return CMSEED_UNDECODABLE;
  out->sample_count = (int32_t)record->numsamples;
  if (record->sampletype == 'i') {
    out->samples = (const int32_t *)record->datasamples;
    return CMSEED_OK;
  }
  // Floating-point records count too when every value is a whole number that an int32 holds.
  for (int64_t i = 0; i < record->numsamples; i++) {
    double v = record->sampletype == 'f'   ? (double)((float *)record->datasamples)[i]
               : record->sampletype == 'd' ? ((double *)record->datasamples)[i]
                                           : 0.5;
    if (!(v >= -2147483648.0 && v <= 2147483647.0) || v != (double)(int32_t)v) return CMSEED_NOT_INTEGERS;
    converted[i] = (int32_t)v;
  }
  out->samples = converted;
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
