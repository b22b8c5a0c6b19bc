#include "clinux.h"

// glibc hands main's arguments to every constructor as well.
static int argument_count;
static char **arguments;

__attribute__((constructor)) static void keep_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}

const char *clinux_argument(int index) { return index < argument_count ? arguments[index] : NULL; }
