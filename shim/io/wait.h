/* The program is about to wait: for a file there is nothing to wait. Keep errno; safe in signal handlers. */
#ifndef TRUEFIN_IO_WAIT_H
#define TRUEFIN_IO_WAIT_H

void waits(void);
void waits_at(int fd);

#endif
