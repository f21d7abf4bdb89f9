/* sort-map: lines on standard input, records `key TAB 1 LF` for a shuffle on standard output, in the order of the lines: the
 * shuffle sorts them.
 *
 * The key is the line, and sorts as the line does: in it BS (0x08) becomes 0x08 0x01 and TAB becomes 0x08 0x02, so that the
 * TAB of the record is its only one. wordcount-reduce combines such records, sort-reduce turns them back into lines. */
#include "records.h"

/* Whether one of 8 bytes is BS or TAB: with their last bit away both are BS, and x ^ BS is 0 there. */
static inline int has_special(uint64_t word) {
    const uint64_t ones = 0x0101010101010101u;
    uint64_t x = (word & ~ones) ^ 8 * ones;
    return ((x - ones) & ~x & 0x80 * ones) != 0;
}

/* Bytes before the first BS or TAB. */
static inline size_t plain(const uint8_t *at, const uint8_t *end) {
    const uint8_t *stop = at;
    for (; end - stop >= 8; stop += 8) {
        uint64_t word;
        memcpy(&word, stop, 8);
        if (has_special(word))
            break;
    }
    while (stop < end && *stop != 8 && *stop != 9)
        stop++;
    return (size_t)(stop - at);
}

static void line(const uint8_t *at, const uint8_t *end) {
    for (;;) {
        size_t count = plain(at, end);
        put(at, count);
        at += count;
        if (at == end)
            break;
        put_byte(8);
        put_byte((uint8_t)(*at++ - 7));
    }
    put("\t1\n", 3);
}

int main(void) {
    each_line(line);
    flush();
    return 0;
}
