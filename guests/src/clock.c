/* clock (probe): prints what the clocks say at the start, after some work, and after sleeping for an hour. */
#include <time.h>

#include "pumasi.h"

static void look(void) {
    struct timespec wall, steady;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &steady);
    put_number((uint64_t)wall.tv_sec);
    put_byte(' ');
    put_number((uint64_t)wall.tv_nsec);
    put_byte(' ');
    put_number((uint64_t)steady.tv_sec);
    put_byte(' ');
    put_number((uint64_t)steady.tv_nsec);
    put_byte('\n');
}

int main(void) {
    look();
    for (volatile unsigned i = 0; i < 100000; i++) {
    }
    look();
    struct timespec hour = {.tv_sec = 3600};
    nanosleep(&hour, 0);
    look();
    flush();
    return 0;
}
