/* wordcount-map: text on standard input, `word TAB count LF` on standard output, each word once, sorted bytewise.
 *
 * A word is a maximal run of ASCII letters, ASCII digits and bytes of 0x80 and above; A to Z become a to z, nothing else
 * is changed. So a word of any UTF-8 text stays whole, and no byte sequence is an error. Memory grows with the number of
 * different words, not with the text. */
#include <stdint.h>

typedef struct {
    uint64_t prefix; /* first 8 bytes in order of memory while counting, as a sorting number afterwards */
    const uint8_t *at; /* all bytes, of words over 8 bytes only */
    uint32_t length;
    uint64_t count;
} Item;

#include "sort.h"

static Item *table;
static size_t bits = 12, used;

/* The folded byte; 0 for what is between words. */
static uint8_t fold[256];

static inline size_t place(uint64_t key) {
    return (size_t)(key * 0x9E3779B97F4A7C15u >> (64 - bits));
}

/* Words up to 8 bytes are their key; for longer ones the key of the place also holds the rest. */
static uint64_t key_of_long(uint64_t prefix, const uint8_t *at, size_t length) {
    uint64_t key = prefix, word;
    for (size_t i = 8; i < length; i += 8) {
        word = 0;
        memcpy(&word, at + i, length - i < 8 ? length - i : 8);
        key = ((key ^ key >> 29) * 0xBF58476D1CE4E5B9u) ^ word;
    }
    return key ^ key >> 32;
}

static void widen(void) {
    Item *old = table;
    size_t slots = (size_t)1 << bits;
    bits++;
    table = room(sizeof *table << bits);
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < slots; i++) {
        if (old[i].count == 0)
            continue;
        uint64_t key = old[i].length > 8 ? key_of_long(old[i].prefix, old[i].at, old[i].length) : old[i].prefix;
        size_t slot = place(key);
        while (table[slot].count != 0)
            slot = (slot + 1) & mask;
        table[slot] = old[i];
    }
}

static inline void add(Item *item, uint64_t prefix, const uint8_t *at, uint32_t length) {
    item->prefix = prefix;
    item->at = at;
    item->length = length;
    item->count = 1;
    if (++used * 2 > (size_t)1 << bits)
        widen();
}

static inline void count_short(uint64_t key, uint32_t length) {
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t slot = place(key);; slot = (slot + 1) & mask) {
        Item *item = &table[slot];
        if (item->prefix == key && item->length == length) {
            item->count++;
            return;
        }
        if (item->count == 0) {
            add(item, key, 0, length);
            return;
        }
    }
}

static void count_long(uint64_t prefix, const uint8_t *at, size_t length) {
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t slot = place(key_of_long(prefix, at, length));; slot = (slot + 1) & mask) {
        Item *item = &table[slot];
        if (item->count == 0) {
            uint8_t *own = room(length);
            memcpy(own, at, length);
            add(item, prefix, own, (uint32_t)length);
            return;
        }
        if (item->prefix == prefix && item->length == length && memcmp(item->at + 8, at + 8, length - 8) == 0) {
            item->count++;
            return;
        }
    }
}

/* Counts the words up to `end`, where a byte stands that belongs to no word. Gives where a word begins that ends at `end`
 * unless the text is over, else `end`. */
static uint8_t *count_words(uint8_t *at, uint8_t *end, int is_last) {
    for (;;) {
        uint8_t byte;
        while (!(byte = fold[*at])) {
            if (at == end)
                return end;
            at++;
        }
        /* Eight steps written out: shifts are constants, and each length has a branch of its own for the processor to learn. */
        uint8_t *start = at;
        uint64_t key = byte;
        uint32_t length = 1;
#define STEP(n)                       \
    if (!(byte = fold[start[n]]))     \
        goto is_short;                \
    key |= (uint64_t)byte << (8 * n); \
    length = n + 1;
        STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
        if (!fold[start[8]]) {
        is_short:
            at = start + length;
            if (at == end && !is_last)
                return start;
            count_short(key, length);
            continue;
        }
        at = start + 9;
        while (fold[*at])
            at++;
        if (at == end && !is_last)
            return start;
        for (uint8_t *fix = start; fix < at; fix++)
            *fix = fold[*fix];
        count_long(key, start, (size_t)(at - start));
    }
}

static void print(void) {
    Item *items = table, *spare;
    size_t count = 0, slots = (size_t)1 << bits;
    for (size_t i = 0; i < slots; i++) {
        if (table[i].count == 0)
            continue;
        Item item = table[i];
        item.prefix = __builtin_bswap64(item.prefix);
        items[count++] = item;
    }
    spare = room(count * sizeof *items);
    items = sort_items(items, spare, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = __builtin_bswap64(items[i].prefix);
        if (items[i].length > 8)
            put(items[i].at, items[i].length);
        else
            put(&word, items[i].length);
        put_byte('\t');
        put_number(items[i].count);
        put_byte('\n');
    }
    flush();
}

int main(void) {
    for (unsigned byte = 0; byte < 256; byte++) {
        int is_kept = byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z');
        fold[byte] = (uint8_t)(byte >= 'A' && byte <= 'Z' ? byte + 32 : is_kept ? byte : 0);
    }
    table = room(sizeof *table << bits);
    size_t size = BLOCK, kept = 0;
    uint8_t *block = room(size + 8);
    for (;;) {
        size_t count = take(0, block + kept, size - kept);
        int is_last = count < size - kept;
        uint8_t *end = block + kept + count;
        *end = 0;
        uint8_t *rest = count_words(block, end, is_last);
        if (is_last)
            break;
        kept = (size_t)(end - rest);
        if (kept * 2 > size) {
            /* A word that fills half a block: the block grows with it. */
            size *= 2;
            uint8_t *wider = room(size + 8);
            memcpy(wider, rest, kept);
            block = wider;
        } else {
            memmove(block, rest, kept);
        }
    }
    print();
    return 0;
}
