/* sort-map: lines on standard input, records `key TAB count LF` for a shuffle on standard output, sorted, each once.
 *
 * The key is the line, and sorts as the line does: in it BS (0x08) becomes 0x08 0x01 and TAB becomes 0x08 0x02, so that the
 * TAB of the record is its only one. The count says how often the line was there. wordcount-reduce combines such records,
 * sort-reduce turns them back into lines. */
#include "lines.h"

static void put_key(const uint8_t *at, size_t length) {
    const uint8_t *end = at + length;
    while (at < end) {
        const uint8_t *stop = at;
        while (stop < end && *stop != 8 && *stop != 9)
            stop++;
        put(at, (size_t)(stop - at));
        if (stop < end) {
            put_byte(8);
            put_byte((uint8_t)(*stop++ - 7));
        }
        at = stop;
    }
}

int main(void) {
    size_t count;
    Item *items = sorted_lines(&count);
    for (size_t i = 0; i < count;) {
        size_t same = i + 1;
        while (same < count && !is_after(&items[same], &items[i]))
            same++;
        put_key(items[i].at, items[i].length);
        put_byte('\t');
        put_number(same - i);
        put_byte('\n');
        i = same;
    }
    flush();
    return 0;
}
