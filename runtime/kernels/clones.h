// Compilation for several instruction sets.
#pragma once

// Compiles a function for AVX-512, AVX2 and baseline x86-64; the best one is chosen when the program starts. Results
// are the same to the bit, since contraction is off. Sanitizers run before the choice can be made, so they get
// baseline.
#if defined(MARVIN_SANITIZE) || !defined(__x86_64__) || defined(__clang__)
#define MARVIN_CLONES
#else
#define MARVIN_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
