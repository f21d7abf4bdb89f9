/* The lines of standard input, sorted: what `sort` does before it writes. */
#pragma once

#include <stdint.h>

typedef struct {
    uint64_t prefix;
    const uint8_t *at;
    uint32_t length;
} Item;

#include "sort.h"

/* All lines without their LF, sorted; a last line needs none, and an empty input has no line. */
static Item *sorted_lines(size_t *count) {
    size_t length, lines = 0;
    uint8_t *text = take_all(&length, 1);
    if (length > 0 && text[length - 1] != '\n')
        text[length++] = '\n';
    const uint8_t *end = text + length;
    for (const uint8_t *at = text; at < end; lines++)
        at = (const uint8_t *)memchr(at, '\n', (size_t)(end - at)) + 1;
    Item *items = room(lines * sizeof *items), *spare = room(lines * sizeof *items);
    const uint8_t *at = text;
    for (size_t i = 0; i < lines; i++) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        items[i].at = at;
        items[i].length = (uint32_t)(stop - at);
        items[i].prefix = prefix_of(at, (size_t)(stop - at));
        at = stop + 1;
    }
    *count = lines;
    return sort_items(items, spare, lines);
}
