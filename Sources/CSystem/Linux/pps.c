#include "clinux.h"

#include <linux/pps.h>
#include <sys/ioctl.h>

int clinux_pps_fetch(int device, int clear, struct clinux_pps_edge *edge) {
  struct pps_fdata found;
  memset(&found, 0, sizeof found);  // a timeout of zero: what is known is given at once
  if (ioctl(device, PPS_FETCH, &found) != 0) return -1;
  const struct pps_ktime *at = clear ? &found.info.clear_tu : &found.info.assert_tu;
  edge->sequence = clear ? found.info.clear_sequence : found.info.assert_sequence;
  edge->realtime_nanoseconds = (int64_t)at->sec * 1000000000 + at->nsec;
  return 0;
}
