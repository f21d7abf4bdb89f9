/* float-loop (kernel): the logistic map and Newton's square root, one number after the other. `[ROUNDS]`, 1,000,000 unless said.
 *
 * One chain of additions, multiplications, a division and a comparison per round; prints the bits of the last number. */
#include "pumasi.h"

int main(int argc, char **argv) {
    uint64_t rounds = asked(argc > 1 ? argv[1] : 0, 1000000);
    double x = 0.375, root = 1.0, sum = 0.0;
    for (uint64_t i = 0; i < rounds; i++) {
        x = 3.875 * x * (1.0 - x);
        root = 0.5 * (root + (x + 1.0) / root);
        sum += root > 1.2 ? root * x : root - x;
    }
    put_hex(&sum, sizeof sum);
    put_byte('\n');
    flush();
    return 0;
}
