/*
 * The pages of dead processes are summed up in one file for each user that runs `truefin stats`, and removed: "sum-UID", mode
 * 0600. It holds a record for each program and owner. Another one's pages can only be root's to sum up.
 *
 * One at a time (flock(2) on "lock-UID"). A sum is written beside and put in the place of the one before (rename(2)), with the
 * names of the pages that are in it: if the tool is killed before it has removed them, the next one does, and counts none
 * twice.
 */
#ifndef TRUEFIN_STATS_SUM_H
#define TRUEFIN_STATS_SUM_H

#include "rows.h"

/* Waits for whoever sums up at the moment. A descriptor, to be closed at the end; -1, and a line on stderr, if it lasts. */
int sum_lock(int directory);

/* Sums up and removes what is over. ROWS becomes the sum that is the caller's to write. False, and a line on stderr. */
bool sum_up(int directory, struct rows *rows);

/* Adds what other users have summed up, of their own processes only: for root. */
bool sum_of_others(int directory, struct rows *rows);

#endif
