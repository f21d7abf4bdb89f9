/* nan (probe): makes NaN in every way there is and prints its bits. Processors differ in them; the profile does not. */
#include <math.h>

#include "pumasi.h"

static void put_double(double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put_hex(&bits, 8);
    put_byte('\n');
}

static void put_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    put_hex(&bits, 4);
    put_byte('\n');
}

/* A number the compiler knows nothing of. */
static double hidden(uint64_t bits) {
    volatile uint64_t hide = bits;
    uint64_t seen = hide;
    double value;
    memcpy(&value, &seen, 8);
    return value;
}

int main(void) {
    double zero = hidden(0), endless = hidden(0x7ff0000000000000u), minus = hidden(0xbff0000000000000u);
    double odd = hidden(0xfff8dead0000beefu), loud = hidden(0x7ff4000000000001u);
    put_double(zero / zero);
    put_double(endless - endless);
    put_double(zero * endless);
    put_double(__builtin_sqrt(minus));
    put_double(odd + 1.0);
    put_double(1.0 + odd);
    put_double(odd * loud);
    put_double(loud - odd);
    put_double(__builtin_floor(loud));
    put_double(__builtin_ceil(odd));
    put_double(__builtin_rint(loud));
    put_double(__builtin_trunc(odd));
    put_double(__builtin_wasm_min_f64(odd, 1.0));
    put_double(__builtin_wasm_max_f64(1.0, loud));
    put_float((float)odd);
    put_float((float)zero / (float)zero);
    put_float((float)endless - (float)endless);
    put_float(__builtin_sqrtf((float)minus));
    put_double((double)(float)odd);
    /* Signs are bits, not arithmetic: these keep what they are given. */
    put_double(-odd);
    put_double(__builtin_fabs(odd));
    put_double(__builtin_copysign(loud, minus));
    flush();
    return 0;
}
