/* steps: a long task that says how far it is. `[STEPS [ROUNDS]]`, 20 steps of 10,000,000 rounds unless said.
 *
 * After each step a line `PUMASI progress 0.40` goes to standard error; the end prints what the rounds have made. */
#include "pumasi.h"

static void tell(uint64_t step, uint64_t steps) {
    uint64_t percent = step * 100 / steps;
    char line[] = "PUMASI progress 0.00\n";
    line[16] = (char)('0' + percent / 100);
    line[18] = (char)('0' + percent / 10 % 10);
    line[19] = (char)('0' + percent % 10);
    put_all(2, (const uint8_t *)line, sizeof line - 1);
}

int main(int argc, char **argv) {
    uint64_t steps = asked(argc > 1 ? argv[1] : 0, 20), rounds = asked(argc > 2 ? argv[2] : 0, 10000000);
    uint64_t state = asked(getenv("PUMASI_INDEX"), 0), made = 0;
    for (uint64_t step = 1; step <= steps; step++) {
        for (uint64_t i = 0; i < rounds; i++)
            made ^= next(&state) + i;
        tell(step, steps);
    }
    put_hex(&made, sizeof made);
    put_byte('\n');
    flush();
    return 0;
}
