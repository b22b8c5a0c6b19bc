#pragma once
#include <stddef.h>
#include <stdint.h>

/// calibration/models/onset-picker.onet as it was at build time, aligned to 64 bytes.
const uint8_t *cmodels_picker(void);
size_t cmodels_picker_count(void);
/// calibration/models/onset-estimator.onet, likewise.
const uint8_t *cmodels_estimator(void);
size_t cmodels_estimator_count(void);
