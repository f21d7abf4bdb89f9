/* wordcount-reduce: records `key TAB count LF`, equal keys one after another, on standard input; each key once with the
 * sum of its counts on standard output. What it prints it also reads, so it is a combiner as well.
 *
 * A line without TAB, a count that is no number, or a sum over 2^64 - 1 is an error, exit code 1. */
#include "records.h"

static uint8_t *key;
static size_t key_length, key_room;
static uint64_t sum;
static int has_key;

static void print(void) {
    if (!has_key)
        return;
    put(key, key_length);
    put_byte('\t');
    put_number(sum);
    put_byte('\n');
}

static void keep(const uint8_t *at, size_t length) {
    if (length > key_room) {
        key_room = length * 2;
        key = room(key_room);
    }
    memcpy(key, at, length);
    key_length = length;
    has_key = 1;
}

static void record(const uint8_t *at, const uint8_t *end) {
    const uint8_t *tab = memchr(at, '\t', (size_t)(end - at));
    uint64_t count;
    if (!tab || !number_of(tab + 1, (size_t)(end - tab - 1), &count))
        fail("a record is not key, TAB, count");
    size_t length = (size_t)(tab - at);
    if (has_key && length == key_length && memcmp(at, key, length) == 0) {
        if (__builtin_add_overflow(sum, count, &sum))
            fail("a sum is too large");
        return;
    }
    print();
    keep(at, length);
    sum = count;
}

int main(void) {
    key_room = 256;
    key = room(key_room);
    each_line(record);
    print();
    flush();
    return 0;
}
