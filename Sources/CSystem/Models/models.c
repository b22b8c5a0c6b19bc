// The station's networks inside the operator's program, so that a record can be replayed anywhere.

#include "cmodels.h"

static const uint8_t picker[] __attribute__((aligned(64))) = {
#embed "../../../calibration/models/onset-picker.onet"
};

static const uint8_t estimator[] __attribute__((aligned(64))) = {
#embed "../../../calibration/models/onset-estimator.onet"
};

const uint8_t *cmodels_picker(void) { return picker; }
size_t cmodels_picker_count(void) { return sizeof picker; }
const uint8_t *cmodels_estimator(void) { return estimator; }
size_t cmodels_estimator_count(void) { return sizeof estimator; }
