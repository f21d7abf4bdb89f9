/* sort-reduce: sorted records of sort-map on standard input, the lines they stand for on standard output, each as often as
 * its count says. Outputs of several reducers are each sorted; together they are so once merged. */
#include "records.h"

static uint8_t *line;
static size_t line_room;

static void record(const uint8_t *at, const uint8_t *end) {
    const uint8_t *tab = memchr(at, '\t', (size_t)(end - at));
    uint64_t count;
    if (!tab || !number_of(tab + 1, (size_t)(end - tab - 1), &count))
        fail("a record is not key, TAB, count");
    if (!memchr(at, 8, (size_t)(tab - at))) {
        while (count-- > 0) {
            put(at, (size_t)(tab - at));
            put_byte('\n');
        }
        return;
    }
    if ((size_t)(tab - at) + 1 > line_room) {
        line_room = (size_t)(tab - at) * 2 + 1;
        line = room(line_room);
    }
    size_t length = 0;
    for (; at < tab; at++) {
        uint8_t byte = *at;
        if (byte == 8) {
            if (++at == tab || (*at != 1 && *at != 2))
                fail("a key is not one of sort-map");
            byte = (uint8_t)(*at + 7);
        }
        line[length++] = byte;
    }
    line[length++] = '\n';
    while (count-- > 0)
        put(line, length);
}

int main(void) {
    each_line(record);
    flush();
    return 0;
}
