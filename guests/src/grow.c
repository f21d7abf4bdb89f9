/* grow (hostile): takes memory until it is refused, and dies of it. */
int main(void) {
    while (__builtin_wasm_memory_grow(0, 16) != (unsigned long)-1) {
    }
    __builtin_trap();
}
