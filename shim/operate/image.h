/*
 * The library, or the side-car, in the memory of a process. Found by the mapping of its file and the note in it
 * (marker.h), so a file that was replaced or deleted since does not matter.
 */
#ifndef TRUEFIN_IMAGE_H
#define TRUEFIN_IMAGE_H

#include "config.h"
#include "marker.h"
#include "processes.h"

enum image_kind {
    IMAGE_NONE,
    IMAGE_LIBRARY,
    IMAGE_SIDECAR,
    IMAGE_FOREIGN, /* of another version, class or build: nothing more is known, and nothing is written */
    IMAGE_HIDDEN,  /* the process may not be looked at, or not all of it; error says why */
};

struct image {
    pid_t pid;
    enum image_kind kind;
    int error;
    char version[16];                          /* FOREIGN: "" if unknown */
    uint32_t switched;                         /* marker.h */
    uintptr_t marker, switch_at, config, page; /* addresses there, as the next ones */
    uintptr_t first, others, highest, slots, slot_array;
};

/* What PROCESS has. */
void image_find(struct image *image, const struct process *process);

/* The same for one that was found in that process before: without a search, if it is still there. */
void image_find_again(struct image *image, const struct process *process);

/* Its configuration, and the policy. False if it cannot be read. */
bool image_config(const struct image *image, struct config *out, struct policy *policy);

/* Sets the switch to the next number that is odd for OFF, else even; true too where it is so already. */
bool image_switch(struct image *image, bool off);

/* Has the library disarm what is armed, for we cannot (MARKER_DISARM). It is off. */
bool image_order_disarm(struct image *image);

#endif
