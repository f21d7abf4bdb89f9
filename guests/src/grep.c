/* grep: prints the lines of standard input that contain a text. `[-v] [-i] [-c] [--] TEXT`
 *
 * TEXT is bytes, not an expression. -v takes the lines without it, -i takes ASCII letters of both cases as one, -c prints
 * the number of lines alone. A last line without LF gets one. Ends with 0 also where no line was found, because an item
 * without a hit is done, not failed; 1 means that it could not run. */
#include "records.h"

static int is_other, is_count;
static uint64_t found;
static uint8_t fold[256];
static const uint8_t *text;
static size_t length;
/* How far to go on when the last byte under the text is this one (Horspool). */
static size_t jump[256];

static int is_in(const uint8_t *at, const uint8_t *end) {
    if (length == 0)
        return 1;
    while ((size_t)(end - at) >= length) {
        size_t last = length;
        while (fold[at[last - 1]] == text[last - 1])
            if (--last == 0)
                return 1;
        at += jump[fold[at[length - 1]]];
    }
    return 0;
}

static void line(const uint8_t *at, const uint8_t *end) {
    if (is_in(at, end) == is_other)
        return;
    found++;
    if (is_count)
        return;
    put(at, (size_t)(end - at));
    put_byte('\n');
}

int main(int argc, char **argv) {
    int is_folded = 0, place = 1;
    for (; place < argc && argv[place][0] == '-' && argv[place][1]; place++) {
        const char *word = argv[place] + 1;
        if (word[0] == '-' && !word[1]) {
            place++;
            break;
        }
        for (; *word; word++) {
            if (*word == 'v')
                is_other = 1;
            else if (*word == 'i')
                is_folded = 1;
            else if (*word == 'c')
                is_count = 1;
            else
                fail("usage: grep [-v] [-i] [-c] [--] TEXT");
        }
    }
    if (place + 1 != argc)
        fail("usage: grep [-v] [-i] [-c] [--] TEXT");
    for (unsigned byte = 0; byte < 256; byte++)
        fold[byte] = (uint8_t)(is_folded && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
    length = strlen(argv[place]);
    uint8_t *folded = room(length);
    for (size_t i = 0; i < length; i++)
        folded[i] = fold[(uint8_t)argv[place][i]];
    text = folded;
    for (unsigned byte = 0; byte < 256; byte++)
        jump[byte] = length;
    for (size_t i = 0; i + 1 < length; i++)
        jump[text[i]] = length - 1 - i;

    each_line(line);
    if (is_count) {
        put_number(found);
        put_byte('\n');
    }
    flush();
    return 0;
}
