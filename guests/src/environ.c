/* environ (probe): prints all arguments and variables it can see. */
#include "pumasi.h"

extern char **environ;

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        put_text("arg ");
        put_text(argv[i]);
        put_byte('\n');
    }
    /* wasi-libc fills `environ` only where somebody asks for a variable. */
    (void)getenv("PATH");
    for (char **at = environ; at && *at; at++) {
        put_text("env ");
        put_text(*at);
        put_byte('\n');
    }
    flush();
    return 0;
}
