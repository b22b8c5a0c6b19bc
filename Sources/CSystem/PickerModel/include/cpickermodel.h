#pragma once
#include <stddef.h>
#include <stdint.h>

/// calibration/models/onset-picker.onet as it was at build time, aligned to 64 bytes.
const uint8_t *cpickermodel_bytes(void);
size_t cpickermodel_count(void);
