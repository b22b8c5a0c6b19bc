#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static speed_t speed_of(int baud) {
  switch (baud) {
    case 9600: return B9600;
    case 19200: return B19200;
    case 38400: return B38400;
    case 57600: return B57600;
    case 115200: return B115200;
    case 230400: return B230400;
    case 460800: return B460800;
    case 921600: return B921600;
    default: return B0;
  }
}

static int prepare(int line, int baud) {
  struct termios state;
  if (speed_of(baud) == B0) {
    errno = EINVAL;
    return -1;
  }
  if (tcgetattr(line, &state) != 0) return -1;
  cfmakeraw(&state);
  state.c_cflag |= CLOCAL | CREAD;
  state.c_cflag &= ~(tcflag_t)(CRTSCTS | CSTOPB);
  // A read of nothing is EAGAIN, and of a line that is gone the end of a file.
  state.c_cc[VMIN] = 1;
  state.c_cc[VTIME] = 0;
  if (cfsetspeed(&state, speed_of(baud)) != 0 || tcsetattr(line, TCSANOW, &state) != 0) return -1;
  // What came before anybody listened is of an unknown time.
  return tcflush(line, TCIFLUSH);
}

int clinux_serial_open(const char *path, int baud) {
  int line = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (line < 0) return -1;
  // Nobody else opens it meanwhile: two readers would each have half of the bytes.
  if (prepare(line, baud) == 0 && ioctl(line, TIOCEXCL) == 0) return line;
  int saved = errno;
  close(line);
  errno = saved;
  return -1;
}
