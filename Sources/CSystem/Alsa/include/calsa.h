// libasound's capture side, with inlines where the library has macros (stack-allocated parameter blocks).
#pragma once
#include <alsa/asoundlib.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  unsigned int rate_hertz;
  unsigned int channels;
  unsigned long period_frames;
  unsigned long buffer_frames;
} calsa_shape;

/// Opens for non-blocking capture and asks for exactly this shape. On failure returns the negative error
/// code, and `step` says at which step, as a static string; the handle is closed.
int calsa_open(snd_pcm_t **handle, const char *device, snd_pcm_format_t format, calsa_shape *shape, const char **step);
/// As calsa_open, with the device's definition given as text instead of looked up in the system's files.
int calsa_open_defined(snd_pcm_t **handle, const char *definition, const char *device, snd_pcm_format_t format,
                       calsa_shape *shape, const char **step);
/// Frames that wait, and the kernel's CLOCK_MONOTONIC time at which the last of them was there (0: unknown).
long calsa_available(snd_pcm_t *handle, int64_t *monotonic_nanoseconds);
int calsa_poll_descriptors(snd_pcm_t *handle, struct pollfd *descriptors, unsigned int capacity);
/// Tells the device that its descriptors were looked at. Plug-ins and some drivers reset theirs here: without it they
/// stay readable and a loop that waits on them never sleeps.
void calsa_acknowledge(snd_pcm_t *handle, struct pollfd *descriptors, unsigned int count);
