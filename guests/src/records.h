/* The lines of standard input one by one, however long they are. */
#pragma once

#include "pumasi.h"

/* Calls `line` for each line without its LF; a last line needs none. */
static inline void each_line(void (*line)(const uint8_t *at, const uint8_t *end)) {
    size_t size = BLOCK, kept = 0;
    uint8_t *block = room(size);
    for (;;) {
        size_t count = take(0, block + kept, size - kept);
        int is_last = count < size - kept;
        const uint8_t *at = block, *end = block + kept + count, *stop;
        while (at < end && (stop = memchr(at, '\n', (size_t)(end - at)))) {
            line(at, stop);
            at = stop + 1;
        }
        kept = (size_t)(end - at);
        if (is_last) {
            if (kept > 0)
                line(at, end);
            return;
        }
        uint8_t *to = block;
        if (kept * 2 > size)
            to = room(size *= 2);
        memmove(to, at, kept);
        block = to;
    }
}
