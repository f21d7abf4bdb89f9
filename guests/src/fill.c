/* fill (hostile): takes all the memory there is and writes over it for ever, in instructions as long as it. */
#include <string.h>

#define PAGE 65536ul

int main(void) {
    unsigned long first = __builtin_wasm_memory_size(0), step = 1024;
    while (step > 0)
        if (__builtin_wasm_memory_grow(0, step) == (unsigned long)-1)
            step /= 2;
    unsigned long bytes = (__builtin_wasm_memory_size(0) - first) * PAGE;
    for (volatile unsigned char value = 1;; value++)
        __builtin_memset((void *)(first * PAGE), value, bytes);
}
