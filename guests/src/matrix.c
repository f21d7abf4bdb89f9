/* matrix (kernel): multiplies two matrices of doubles, row by row. `[SIDE]`, 200 unless said, 512 at most.
 *
 * Prints the bits of the sum of all places of the product. */
#include "pumasi.h"

#define SIDE_MAX 512

static double a[SIDE_MAX * SIDE_MAX], b[SIDE_MAX * SIDE_MAX], c[SIDE_MAX * SIDE_MAX];

int main(int argc, char **argv) {
    uint64_t asked_side = asked(argc > 1 ? argv[1] : 0, 200);
    if (asked_side > SIDE_MAX)
        fail("a matrix of this size is not made");
    size_t side = (size_t)asked_side;
    uint64_t state = 1;
    for (size_t i = 0; i < side * side; i++) {
        a[i] = (double)(next(&state) >> 40) / 1024.0;
        b[i] = (double)(next(&state) >> 40) / 1024.0;
    }
    for (size_t i = 0; i < side; i++)
        for (size_t k = 0; k < side; k++) {
            double left = a[i * side + k];
            for (size_t j = 0; j < side; j++)
                c[i * side + j] += left * b[k * side + j];
        }
    double sum = 0;
    for (size_t i = 0; i < side * side; i++)
        sum += c[i];
    put_hex(&sum, sizeof sum);
    put_byte('\n');
    flush();
    return 0;
}
