/* flood (hostile): prints for ever; with any argument on standard error, of which only the end is kept, so that it goes on. */
#include "pumasi.h"

static const char line[] = "All work and no play makes a guest a dull guest.\n";

int main(int argc, char **argv) {
    (void)argv;
    for (;;)
        if (argc > 1)
            put_all(2, (const uint8_t *)line, sizeof line - 1);
        else
            put_text(line);
}
