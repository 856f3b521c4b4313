#include "config.h"
#include "connection/table.h"
#include "kept/slots.h"
#include "marker.h"

const struct marker truefin_marker = {
    .magic = "truefin",
    .version = TRUEFIN_VERSION,
    .config = sizeof(struct config),
    .policy = sizeof(struct policy),
    .connection = sizeof(struct connection),
    .slot = sizeof(struct slot),
};
