#include "calsa.h"

// libasound writes its own lines to stderr; what it returns says enough, and the caller says it in one sentence.
static void stay_silent(const char *file, int line, const char *function, int error, const char *format, ...) {
  (void)file, (void)line, (void)function, (void)error, (void)format;
}

static int configure(snd_pcm_t *pcm, snd_pcm_format_t format, calsa_shape *shape, const char **step) {
  snd_pcm_hw_params_t *hw;
  snd_pcm_sw_params_t *sw;
  snd_pcm_hw_params_alloca(&hw);
  snd_pcm_sw_params_alloca(&sw);
  int e;
  snd_pcm_uframes_t period = shape->period_frames, buffer = shape->buffer_frames;
  unsigned int rate = shape->rate_hertz;
#define TRY(name, call) do { *step = name; if ((e = (call)) < 0) return e; } while (0)
  TRY("the device's parameters", snd_pcm_hw_params_any(pcm, hw));
  TRY("resampling off", snd_pcm_hw_params_set_rate_resample(pcm, hw, 0));
  TRY("interleaved access", snd_pcm_hw_params_set_access(pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED));
  TRY("sample_format", snd_pcm_hw_params_set_format(pcm, hw, format));
  TRY("channels", snd_pcm_hw_params_set_channels(pcm, hw, shape->channels));
  TRY("sample_rate_millihertz", snd_pcm_hw_params_set_rate(pcm, hw, rate, 0));
  TRY("period_frames", snd_pcm_hw_params_set_period_size_near(pcm, hw, &period, NULL));
  TRY("buffer_frames", snd_pcm_hw_params_set_buffer_size_near(pcm, hw, &buffer));
  TRY("the hardware parameters together", snd_pcm_hw_params(pcm, hw));
  TRY("the software parameters", snd_pcm_sw_params_current(pcm, sw));
  TRY("time stamps", snd_pcm_sw_params_set_tstamp_mode(pcm, sw, SND_PCM_TSTAMP_ENABLE));
  // Cards that cannot stamp with CLOCK_MONOTONIC are stamped by the reader instead (calsa_available gives 0).
  (void)snd_pcm_sw_params_set_tstamp_type(pcm, sw, SND_PCM_TSTAMP_TYPE_MONOTONIC);
  TRY("the wake-up threshold", snd_pcm_sw_params_set_avail_min(pcm, sw, period));
  TRY("the software parameters together", snd_pcm_sw_params(pcm, sw));
  TRY("prepare", snd_pcm_prepare(pcm));
  // Real cards return EIO from reads below start_threshold without an explicit start; fakes do not care.
  TRY("start", snd_pcm_start(pcm));
#undef TRY
  shape->period_frames = period;
  shape->buffer_frames = buffer;
  return 0;
}

int calsa_open(snd_pcm_t **handle, const char *device, snd_pcm_format_t format, calsa_shape *shape,
               const char **step) {
  *step = "open";
  snd_lib_error_set_handler(stay_silent);
  int e = snd_pcm_open(handle, device, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
  if (e < 0) return e;
  e = configure(*handle, format, shape, step);
  if (e < 0) {
    snd_pcm_close(*handle);
    *handle = NULL;
  }
  return e;
}

int calsa_open_defined(snd_pcm_t **handle, const char *definition, const char *device, snd_pcm_format_t format,
                       calsa_shape *shape, const char **step) {
  snd_config_t *config = NULL;
  snd_input_t *input = NULL;
  *step = "the device's definition";
  snd_lib_error_set_handler(stay_silent);
  int e = snd_config_top(&config);
  if (e >= 0) e = snd_input_buffer_open(&input, definition, (ssize_t)strlen(definition));
  if (e >= 0) e = snd_config_load(config, input);
  if (input) snd_input_close(input);
  if (e >= 0) {
    *step = "open";
    e = snd_pcm_open_lconf(handle, device, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK, config);
    if (e >= 0 && (e = configure(*handle, format, shape, step)) < 0) {
      snd_pcm_close(*handle);
      *handle = NULL;
    }
  }
  if (config) snd_config_delete(config);
  return e;
}

long calsa_available(snd_pcm_t *handle, int64_t *monotonic_nanoseconds) {
  snd_pcm_uframes_t available = 0;
  snd_htimestamp_t stamp = {0, 0};
  snd_pcm_sframes_t now = snd_pcm_avail_update(handle);
  *monotonic_nanoseconds = 0;
  if (now < 0) return now;
  if (snd_pcm_htimestamp(handle, &available, &stamp) < 0) return now;
  *monotonic_nanoseconds = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
  return (long)available;
}

int calsa_poll_descriptors(snd_pcm_t *handle, struct pollfd *descriptors, unsigned int capacity) {
  int wanted = snd_pcm_poll_descriptors_count(handle);
  if (wanted < 0 || (unsigned int)wanted > capacity) return -1;
  return snd_pcm_poll_descriptors(handle, descriptors, (unsigned int)wanted);
}

void calsa_acknowledge(snd_pcm_t *handle, struct pollfd *descriptors, unsigned int count) {
  unsigned short revents;
  (void)snd_pcm_poll_descriptors_revents(handle, descriptors, count, &revents);
}
