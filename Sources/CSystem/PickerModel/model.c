// The picker's network inside the operator's program, so that a record can be replayed anywhere.

#include "cpickermodel.h"

static const uint8_t model[] __attribute__((aligned(64))) = {
#embed "../../../calibration/models/onset-picker.onet"
};

const uint8_t *cpickermodel_bytes(void) { return model; }
size_t cpickermodel_count(void) { return sizeof model; }
