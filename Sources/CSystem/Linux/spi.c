#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/spi/spidev.h>
#include <sys/ioctl.h>
#include <unistd.h>

int clinux_spi_open(const char *path, uint32_t hertz) {
  uint8_t mode = SPI_MODE_1, bits = 8;
  int bus = open(path, O_RDWR | O_CLOEXEC);
  if (bus < 0) return -1;
  if (ioctl(bus, SPI_IOC_WR_MODE, &mode) == 0 && ioctl(bus, SPI_IOC_WR_BITS_PER_WORD, &bits) == 0 &&
      ioctl(bus, SPI_IOC_WR_MAX_SPEED_HZ, &hertz) == 0)
    return bus;
  int saved = errno;
  close(bus);
  errno = saved;
  return -1;
}

int clinux_spi_exchange(int bus, uint32_t hertz, struct clinux_spi_part *parts, int count) {
  struct spi_ioc_transfer transfers[CLINUX_SPI_PARTS];
  if (count < 1 || count > CLINUX_SPI_PARTS) {
    errno = EINVAL;
    return -1;
  }
  memset(transfers, 0, sizeof transfers);
  for (int i = 0; i < count; i++) {
    transfers[i].tx_buf = (uintptr_t)parts[i].out;
    transfers[i].rx_buf = (uintptr_t)parts[i].in;
    transfers[i].len = parts[i].count;
    transfers[i].speed_hz = hertz;
    transfers[i].delay_usecs = parts[i].pause_microseconds;
  }
  return ioctl(bus, SPI_IOC_MESSAGE(count), transfers) < 0 ? -1 : 0;
}
