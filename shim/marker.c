#include "marker.h"

struct marker truefin_marker = {.magic = "truefin", .version = TRUEFIN_VERSION};
