// player DEVICE LOG [FRAMES.raw] [--every SECONDS] [--stuck CHANNEL]: what the digitizer hears. Plays a file of raw
// frames (three channels of 32 bits at 8000 Hz, interleaved) and then, until it is told to end by SIGTERM, the ground's
// noise; or the file again, every so many seconds from the start. Without a file noise is all. A stuck channel shows
// one value for ever.
//
// LOG gets a line "FRAME NANOSECONDS" ten times a second: the playback position, and the kernel's CLOCK_MONOTONIC stamp
// of it. The loopback card moves playback and capture together, so this tells when each frame was taken, without asking
// the program under test.
#include <alsa/asoundlib.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { channels = 3, rate = 8000, period = 800, buffer = 8000 };

static volatile sig_atomic_t must_end;
static void end(int signal) { (void)signal, must_end = 1; }

static int fail(const char *what, int error) {
  fprintf(stderr, "player: %s: %s\n", what, snd_strerror(error));
  return 1;
}

// Uniform, ±3800 counts: as loud as the demonstration's quiet ground.
static int32_t noise(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (int32_t)(state % 7601) - 3800;
}

static int set_up(snd_pcm_t *pcm) {
  snd_pcm_sw_params_t *software;
  snd_pcm_hw_params_t *hardware;
  snd_pcm_hw_params_alloca(&hardware);
  snd_pcm_sw_params_alloca(&software);
  int e;
  if ((e = snd_pcm_hw_params_any(pcm, hardware)) < 0) return e;
  if ((e = snd_pcm_hw_params_set_access(pcm, hardware, SND_PCM_ACCESS_RW_INTERLEAVED)) < 0) return e;
  if ((e = snd_pcm_hw_params_set_format(pcm, hardware, SND_PCM_FORMAT_S32_LE)) < 0) return e;
  if ((e = snd_pcm_hw_params_set_channels(pcm, hardware, channels)) < 0) return e;
  if ((e = snd_pcm_hw_params_set_rate(pcm, hardware, rate, 0)) < 0) return e;
  if ((e = snd_pcm_hw_params_set_period_size(pcm, hardware, period, 0)) < 0) return e;
  if ((e = snd_pcm_hw_params_set_buffer_size(pcm, hardware, buffer)) < 0) return e;
  if ((e = snd_pcm_hw_params(pcm, hardware)) < 0) return e;
  if ((e = snd_pcm_sw_params_current(pcm, software)) < 0) return e;
  if ((e = snd_pcm_sw_params_set_start_threshold(pcm, software, buffer)) < 0) return e;
  if ((e = snd_pcm_sw_params_set_tstamp_mode(pcm, software, SND_PCM_TSTAMP_ENABLE)) < 0) return e;
  if ((e = snd_pcm_sw_params_set_tstamp_type(pcm, software, SND_PCM_TSTAMP_TYPE_MONOTONIC)) < 0) return e;
  return snd_pcm_sw_params(pcm, software);
}

// How far playback has come, when so many frames have been written.
static void note_position(snd_pcm_t *pcm, long long written, FILE *log) {
  snd_pcm_uframes_t available;
  snd_htimestamp_t stamp;
  snd_pcm_avail_update(pcm);
  if (snd_pcm_htimestamp(pcm, &available, &stamp) < 0 || snd_pcm_state(pcm) != SND_PCM_STATE_RUNNING) return;
  long long played = written - (buffer - (long long)available);
  fprintf(log, "%lld %lld\n", played, stamp.tv_sec * 1000000000LL + stamp.tv_nsec);
  fflush(log);
}

int main(int count, char **arguments) {
  const char *file = NULL;
  int stuck = -1;
  long long every = 0;
  for (int i = 3; i < count; i++) {
    if (strcmp(arguments[i], "--stuck") == 0 && i + 1 < count) stuck = atoi(arguments[++i]);
    else if (strcmp(arguments[i], "--every") == 0 && i + 1 < count) every = atoll(arguments[++i]) * rate;
    else file = arguments[i];
  }
  if (count < 3 || stuck >= channels) {
    fprintf(stderr, "usage: player DEVICE LOG [FRAMES.raw] [--every SECONDS] [--stuck CHANNEL]\n");
    return 2;
  }
  FILE *log = fopen(arguments[2], "w"), *frames = file ? fopen(file, "rb") : NULL;
  if (!log || (file && !frames)) {
    fprintf(stderr, "player: %s cannot be opened\n", log ? file : arguments[2]);
    return 1;
  }
  signal(SIGTERM, end);
  snd_pcm_t *pcm;
  int e = snd_pcm_open(&pcm, arguments[1], SND_PCM_STREAM_PLAYBACK, 0);
  if (e < 0) return fail(arguments[1], e);
  if ((e = set_up(pcm)) < 0) return fail("the device's parameters", e);

  long long written = 0;
  while (!must_end) {
    if (every > 0 && !frames && written % every == 0) frames = fopen(file, "rb");
    int32_t block[period][channels];
    size_t got = frames ? fread(block, sizeof block[0], period, frames) : 0;
    if (frames && got < period) {
      fclose(frames);
      frames = NULL;
    }
    for (size_t n = got; n < period; n++)
      for (int c = 0; c < channels; c++) block[n][c] = noise();
    for (int n = 0; n < period && stuck >= 0; n++) block[n][stuck] = 12345;
    snd_pcm_sframes_t done = snd_pcm_writei(pcm, block, period);
    if (done == -EPIPE) return fail("too late; the frames' times are no longer known", (int)done);
    if (done < 0) return fail("write", (int)done);
    written += done;
    note_position(pcm, written, log);
  }
  snd_pcm_drop(pcm);
  snd_pcm_close(pcm);
  return 0;
}
