#include "config.h"
#include "connection/table.h"
#include "kept/slots.h"
#include "marker.h"

const struct marker_layout truefin_layout = {
    .marker = sizeof(struct marker),
    .config = sizeof(struct config),
    .policy = sizeof(struct policy),
    .connection = sizeof(struct connection),
    .slot = sizeof(struct slot),
};
