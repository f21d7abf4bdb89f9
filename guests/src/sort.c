/* sort: the lines of standard input in the order of their bytes, equal ones kept; a last line without LF gets one. */
#include "lines.h"

int main(void) {
    size_t count;
    Item *items = sorted_lines(&count);
    for (size_t i = 0; i < count; i++)
        put(items[i].at, items[i].length + 1);
    flush();
    return 0;
}
