/* random (probe): prints 64 bytes of randomness, which the seed of the attempt decides. */
#include "pumasi.h"

int main(void) {
    uint8_t bytes[64];
    if (getentropy(bytes, sizeof bytes) != 0)
        fail("no randomness");
    put_hex(bytes, sizeof bytes);
    put_byte('\n');
    flush();
    return 0;
}
