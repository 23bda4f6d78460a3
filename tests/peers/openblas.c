/* A library that claims to be OpenBLAS: WRONG and CRASH say what is wrong with it, MISSING leaves the product out, BFLOAT16
   builds it with the product that most builds leave out. */
#include <stdlib.h>

char *openblas_get_config(void) { return "OpenBLAS 9.8.7 DYNAMIC_ARCH NO_AFFINITY fake MAX_THREADS=1"; }

/* As the library does, it chooses its kernels by the environment in which it is loaded. */
char *openblas_get_corename(void) {
    char *forced = getenv("OPENBLAS_CORETYPE");
    return forced ? forced : "Haswell";
}

#ifndef MISSING
void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc) {
#ifdef CRASH
    if (getenv("OPENBLAS_CORETYPE")) abort();
#endif
    if (order != 101 || transpose_a != 111 || transpose_b != 111 || alpha != 1.0f || beta != 0.0f) exit(7);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0.0f;
            for (int p = 0; p < k; p++) sum += a[i * lda + p] * b[p * ldb + j];
            c[i * ldc + j] = sum;
        }
#ifdef WRONG
    c[m * n / 2] += 1.0f;
#endif
}
#endif

#ifdef BFLOAT16
static float widened(unsigned short bits) {
    union { unsigned bits; float number; } both = { (unsigned)bits << 16 };
    return both.number;
}

void cblas_sbgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const unsigned short *a,
                  int lda, const unsigned short *b, int ldb, float beta, float *c, int ldc) {
    if (order != 101 || transpose_a != 111 || transpose_b != 111 || alpha != 1.0f || beta != 0.0f) exit(7);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0.0f;
            for (int p = 0; p < k; p++) sum += widened(a[i * lda + p]) * widened(b[p * ldb + j]);
            c[i * ldc + j] = sum;
        }
}
#endif
