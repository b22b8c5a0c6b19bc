#define _GNU_SOURCE
#define PIC 1  // selects the shared-object form of the plug-in macros
#include "csimulatedcard.h"
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  snd_pcm_ioplug_t io;
  int file, wake;
  double speed;              // 0: as fast as it is read
  struct timespec start;
  uint64_t delivered;        // frames since start or the last overrun
  uint64_t position;         // frames of the file that are behind us
  long overrun_at, overrun_frames, vanish_at, begin_at;
} card;

static size_t frame_bytes(const snd_pcm_ioplug_t *io) {
  return io->channels * (size_t)snd_pcm_format_physical_width(io->format) / 8;
}

static uint64_t produced(const card *c) {
  if (c->speed == 0) return c->delivered + c->io.period_size;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double elapsed = (double)(now.tv_sec - c->start.tv_sec) + (double)(now.tv_nsec - c->start.tv_nsec) * 1e-9;
  return (uint64_t)(elapsed * c->io.rate * c->speed);
}

static int card_start(snd_pcm_ioplug_t *io) {
  card *c = io->private_data;
  clock_gettime(CLOCK_MONOTONIC, &c->start);
  c->delivered = 0;
  if (c->begin_at > 0) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double late = (double)(now.tv_sec - c->begin_at) + (double)now.tv_nsec * 1e-9;
    c->position = late > 0 ? (uint64_t)(late * io->rate + 0.5) : 0;
    if (lseek(c->file, (off_t)(c->position * frame_bytes(io)), SEEK_SET) < 0) return -errno;
  }
  if (c->speed == 0) {
    uint64_t one = 1;
    return write(c->wake, &one, sizeof one) == sizeof one ? 0 : -errno;
  }
  double period = (double)io->period_size / io->rate / c->speed;
  struct timespec t = {(time_t)period, (long)((period - (double)(time_t)period) * 1e9)};
  struct itimerspec timer = {t, t};
  return timerfd_settime(c->wake, 0, &timer, NULL) < 0 ? -errno : 0;
}

static int card_stop(snd_pcm_ioplug_t *io) {
  card *c = io->private_data;
  struct itimerspec off = {{0, 0}, {0, 0}};
  if (c->speed != 0) timerfd_settime(c->wake, 0, &off, NULL);
  return 0;
}

static snd_pcm_sframes_t card_pointer(snd_pcm_ioplug_t *io) {
  card *c = io->private_data;
  if (c->overrun_at > 0 && (long)c->position >= c->overrun_at) {
    c->overrun_at = 0;
    // The frames that the card took while nobody read are gone.
    off_t lost = (off_t)c->overrun_frames * (off_t)frame_bytes(io);
    c->position += (uint64_t)c->overrun_frames;
    lseek(c->file, lost, SEEK_CUR);
    return -EPIPE;
  }
  uint64_t p = produced(c);
  if (p - c->delivered > io->buffer_size) return -EPIPE;
  return (snd_pcm_sframes_t)(p % io->buffer_size);
}

static snd_pcm_sframes_t card_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                       snd_pcm_uframes_t offset, snd_pcm_uframes_t size) {
  card *c = io->private_data;
  if (c->vanish_at > 0 && (long)c->position >= c->vanish_at) return -ENODEV;
  size_t bytes = frame_bytes(io), wanted = size * bytes, got = 0;
  char *to = (char *)areas->addr + (areas->first + areas->step * offset) / 8;
  while (got < wanted) {
    ssize_t n = read(c->file, to + got, wanted - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += (size_t)n;
  }
  if (got < bytes) return -ENODEV;
  c->delivered += got / bytes;
  c->position += got / bytes;
  return (snd_pcm_sframes_t)(got / bytes);
}

static int card_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int count, unsigned short *revents) {
  card *c = io->private_data;
  uint64_t ticks;
  (void)count;
  *revents = (unsigned short)(fds[0].revents & ~POLLIN);
  if (!(fds[0].revents & POLLIN)) return 0;
  if (c->speed != 0 && read(c->wake, &ticks, sizeof ticks) < 0) return 0;
  if (snd_pcm_avail_update(io->pcm) > 0) *revents |= POLLIN;
  return 0;
}

static int card_close(snd_pcm_ioplug_t *io) {
  card *c = io->private_data;
  close(c->file);
  close(c->wake);
  free(c);
  return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .start = card_start,
    .stop = card_stop,
    .pointer = card_pointer,
    .transfer = card_transfer,
    .close = card_close,
    .poll_revents = card_poll_revents,
};

static int set_limits(card *c, long channels) {
  static const unsigned int formats[] = {SND_PCM_FORMAT_S16_LE, SND_PCM_FORMAT_S24_3LE, SND_PCM_FORMAT_S24_LE,
                                         SND_PCM_FORMAT_S32_LE};
  static const unsigned int accesses[] = {SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED};
  int e = snd_pcm_ioplug_set_param_list(&c->io, SND_PCM_IOPLUG_HW_FORMAT, 4, formats);
  if (e >= 0) e = snd_pcm_ioplug_set_param_list(&c->io, SND_PCM_IOPLUG_HW_ACCESS, 2, accesses);
  if (e >= 0)
    e = snd_pcm_ioplug_set_param_minmax(&c->io, SND_PCM_IOPLUG_HW_CHANNELS, (unsigned)channels, (unsigned)channels);
  if (e >= 0) e = snd_pcm_ioplug_set_param_minmax(&c->io, SND_PCM_IOPLUG_HW_RATE, 100, 192000);
  if (e >= 0) e = snd_pcm_ioplug_set_param_minmax(&c->io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 2, 1 << 20);
  if (e >= 0) e = snd_pcm_ioplug_set_param_minmax(&c->io, SND_PCM_IOPLUG_HW_PERIODS, 2, 1024);
  return e;
}

SND_PCM_PLUGIN_DEFINE_FUNC(onset) {
  snd_config_iterator_t i, next;
  const char *file = NULL;
  long channels = 3, overrun_at = 0, overrun_frames = 0, vanish_at = 0, begin_at = 0;
  double speed = 1;
  snd_config_for_each(i, next, conf) {
    snd_config_t *node = snd_config_iterator_entry(i);
    const char *id;
    if (snd_config_get_id(node, &id) < 0) continue;
    if (!strcmp(id, "comment") || !strcmp(id, "type") || !strcmp(id, "hint")) continue;
    int e = !strcmp(id, "infile")           ? snd_config_get_string(node, &file)
            : !strcmp(id, "channels")       ? snd_config_get_integer(node, &channels)
            : !strcmp(id, "speed")          ? snd_config_get_ireal(node, &speed)
            : !strcmp(id, "overrun_at")     ? snd_config_get_integer(node, &overrun_at)
            : !strcmp(id, "overrun_frames") ? snd_config_get_integer(node, &overrun_frames)
            : !strcmp(id, "vanish_at")      ? snd_config_get_integer(node, &vanish_at)
            : !strcmp(id, "begin_at")       ? snd_config_get_integer(node, &begin_at)
                                            : -EINVAL;
    if (e >= 0) continue;
    SNDERR("%s: unknown, or of the wrong type", id);
    return e;
  }
  if (stream != SND_PCM_STREAM_CAPTURE || !file || channels < 1 || channels > 8 || speed < 0) return -EINVAL;
  card *c = calloc(1, sizeof *c);
  if (!c) return -ENOMEM;
  c->speed = speed;
  c->overrun_at = overrun_at;
  c->overrun_frames = overrun_frames;
  c->vanish_at = vanish_at;
  c->begin_at = begin_at;
  c->file = open(file, O_RDONLY | O_CLOEXEC);
  if (c->file < 0) {
    int e = -errno;
    free(c);
    return e;
  }
  c->wake = speed == 0 ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
                       : timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  c->io.version = SND_PCM_IOPLUG_VERSION;
  c->io.name = "Onset simulated card";
  c->io.callback = &callbacks;
  c->io.private_data = c;
  c->io.poll_fd = c->wake;
  c->io.poll_events = POLLIN;
  int e = snd_pcm_ioplug_create(&c->io, name, stream, mode);
  if (e < 0) {
    close(c->file);
    close(c->wake);
    free(c);
    return e;
  }
  e = set_limits(c, channels);
  if (e < 0) {
    snd_pcm_ioplug_delete(&c->io);
    return e;
  }
  *pcmp = c->io.pcm;
  return 0;
}
SND_PCM_PLUGIN_SYMBOL(onset);
