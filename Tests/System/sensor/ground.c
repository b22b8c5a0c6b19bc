// ground BUS FRAMES [--identity]: the ground under an ADXL355 whose registers i2c-stub holds in memory. FRAMES are a
// thousand a second of three 32-bit counts, x, y and z; each is written into the data registers at its millisecond. It
// prints the time of the first on the machine's clock, in nanoseconds. With --identity it writes what the driver asks a
// sensor for, and the first frame.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum { address = 0x1d, data_register = 0x08, axis_bytes = 3, axes = 3 };

static int write_block(int bus, uint8_t place, const uint8_t *bytes, uint8_t count) {
  union i2c_smbus_data data;
  data.block[0] = count;
  memcpy(data.block + 1, bytes, count);
  struct i2c_smbus_ioctl_data order = {
      .read_write = I2C_SMBUS_WRITE, .command = place, .size = I2C_SMBUS_I2C_BLOCK_DATA, .data = &data};
  return ioctl(bus, I2C_SMBUS, &order);
}

// Twenty bits, the highest first, over four that mean nothing.
static int show(int bus, const int32_t counts[axes]) {
  uint8_t registers[axes * axis_bytes];
  for (int axis = 0; axis < axes; axis++) {
    uint32_t word = (uint32_t)counts[axis] << 4;
    for (int byte = 0; byte < axis_bytes; byte++) registers[axis * axis_bytes + byte] = (uint8_t)(word >> (16 - 8 * byte));
  }
  return write_block(bus, data_register, registers, sizeof registers);
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  int bus = open(arguments[1], O_RDWR);
  FILE *frames = fopen(arguments[2], "r");
  int32_t counts[axes];
  // The driver has the address; these are registers in memory.
  if (bus < 0 || frames == NULL || ioctl(bus, I2C_SLAVE_FORCE, address) != 0) return perror("ground"), 1;
  if (count > 3) {
    const uint8_t identity[] = {0xad, 0x1d, 0xed};
    return write_block(bus, 0, identity, sizeof identity) != 0 || fread(counts, sizeof counts, 1, frames) != 1 ||
           show(bus, counts) != 0;
  }
  prctl(PR_SET_TIMERSLACK, 1);
  // A time daemon has just set the clock.
  struct timex state = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, .maxerror = 100, .esterror = 10, .status = 0};
  adjtimex(&state);
  struct timespec now, next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  clock_gettime(CLOCK_REALTIME, &now);
  printf("%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
  fflush(stdout);
  while (fread(counts, sizeof counts, 1, frames) == 1) {
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    if (show(bus, counts) != 0) return perror("ground"), 1;
    next.tv_nsec += 1000000;
    if (next.tv_nsec >= 1000000000) next.tv_sec++, next.tv_nsec -= 1000000000;
  }
  return 0;
}
