#include "marker.h"

_Atomic uint32_t truefin_switched;
