// A sound card without hardware: an external ALSA ioplug that replays raw interleaved frames from a file,
// in whatever format and channel count the application asks for, paced in real time or as fast as it is
// read. At the end of the file it vanishes like an unplugged card (-ENODEV). It can lose frames (overrun)
// and vanish on purpose. libasound loads it by name; nothing links it.
//
//   pcm_type.onset { lib "libasound_module_pcm_onset.so" }
//   pcm.NAME { type onset infile "FILE" channels N speed 1.0 overrun_at FRAME overrun_frames N vanish_at FRAME }
#pragma once
