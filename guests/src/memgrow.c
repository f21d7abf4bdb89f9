/* memgrow (probe): grows page by page until it is refused, and prints the pages it has then. */
#include "pumasi.h"

int main(void) {
    while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) {
    }
    put_number(__builtin_wasm_memory_size(0));
    put_byte('\n');
    flush();
    return 0;
}
