/* Sorts strings bytewise, shorter before longer: merge sort over their first 8 bytes, and memcmp where these agree.
 *
 * Whoever includes it has defined `Item` with `uint64_t prefix; const uint8_t *at; uint32_t length;`, and may keep more. */
#pragma once

#include "pumasi.h"

/* The first 8 bytes as a number that sorts as they do; a string of fewer bytes is filled up with zeros. */
static inline uint64_t prefix_of(const uint8_t *at, size_t length) {
    uint64_t word = 0;
    if (length >= 8)
        memcpy(&word, at, 8);
    else
        for (size_t i = 0; i < length; i++)
            word |= (uint64_t)at[i] << 8 * i;
    return __builtin_bswap64(word);
}

/* Whether `a` comes after `b`. */
static inline int is_after(const Item *a, const Item *b) {
    if (a->prefix != b->prefix)
        return a->prefix > b->prefix;
    uint32_t least = a->length < b->length ? a->length : b->length;
    if (least > 8) {
        int order = memcmp(a->at + 8, b->at + 8, least - 8);
        if (order != 0)
            return order > 0;
    }
    return a->length > b->length;
}

#define RUN 8

/* Sorts `count` items with as many to spare; gives where they are sorted, one of the two. Equal items keep their order. */
static Item *sort_items(Item *from, Item *to, size_t count) {
    for (size_t low = 0; low < count; low += RUN) {
        size_t high = low + RUN < count ? low + RUN : count;
        for (size_t i = low + 1; i < high; i++) {
            Item item = from[i];
            size_t j = i;
            for (; j > low && is_after(&from[j - 1], &item); j--)
                from[j] = from[j - 1];
            from[j] = item;
        }
    }
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = middle + width < count ? middle + width : count;
            size_t a = low, b = middle, out = low;
            while (a < middle && b < high)
                to[out++] = is_after(&from[a], &from[b]) ? from[b++] : from[a++];
            memcpy(to + out, from + a, (middle - a) * sizeof *from);
            memcpy(to + out + (middle - a), from + b, (high - b) * sizeof *from);
        }
        Item *swap = from;
        from = to;
        to = swap;
    }
    return from;
}
