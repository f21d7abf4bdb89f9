/* flood (hostile): prints for ever. */
#include "pumasi.h"

int main(void) {
    for (;;)
        put_text("All work and no play makes a guest a dull guest.\n");
}
