/* pi: throws points at a square and counts those in the quarter circle. `[THROWS [SEED]]`, 10,000,000 throws unless said.
 *
 * The seed is the second argument, else PUMASI_INDEX, else 0. Prints `inside TAB n` and `throws TAB n`, records that
 * wordcount-reduce adds up: pi is near 4 × inside ÷ throws. */
#include "pumasi.h"

int main(int argc, char **argv) {
    uint64_t throws = asked(argc > 1 ? argv[1] : 0, 10000000);
    uint64_t seed = asked(argc > 2 ? argv[2] : getenv("PUMASI_INDEX"), 0);
    uint64_t state = seed * 0xD1342543DE82EF95u + 1;
    uint64_t inside = 0;
    for (uint64_t i = 0; i < throws; i++) {
        uint64_t point = next(&state), x = point >> 33, y = point << 31 >> 33;
        inside += (x * x + y * y) >> 62 == 0;
    }
    put_text("inside\t");
    put_number(inside);
    put_text("\nthrows\t");
    put_number(throws);
    put_byte('\n');
    flush();
    return 0;
}
