/* trap (hostile): does what WebAssembly forbids. */
int main(void) {
    __builtin_trap();
}
