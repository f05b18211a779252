// Times FFLAS-FFPACK's PLUQ on a random n x n matrix mod p: prints "p threads rank seconds", the best of some runs.
// g++ -O3 -march=native -fopenmp fflas.cpp -lopenblas -lgivaro -lgmpxx -lgmp
#include <fflas-ffpack/fflas-ffpack-config.h>
#include <givaro/modular-balanced.h>
#include <fflas-ffpack/ffpack/ffpack.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

template <class Field> void run(long p, size_t m, size_t n, int repetitions, bool tasks) {
    Field F(p);
    std::mt19937 generator(1);
    std::uniform_int_distribution<int> residue(-(p - 1) / 2, (p - 1) / 2);
    auto A = FFLAS::fflas_new(F, m, n), B = FFLAS::fflas_new(F, m, n);
    for (size_t i = 0; i < m * n; i++) F.init(A[i], (double)residue(generator));
    size_t *P = FFLAS::fflas_new<size_t>(m), *Q = FFLAS::fflas_new<size_t>(n), rank = 0;
    double best = 1e9;
    for (int r = 0; r < repetitions; r++) {
        std::copy(A, A + m * n, B);
        auto start = std::chrono::steady_clock::now();
        rank = tasks ? FFPACK::pPLUQ(F, FFLAS::FflasNonUnit, m, n, B, n, P, Q)
                     : FFPACK::PLUQ(F, FFLAS::FflasNonUnit, m, n, B, n, P, Q);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    printf("%ld %s %zu %.4f\n", p, tasks ? "tasks" : "blas", rank, best);
}

int main(int count, char **arguments) {
    size_t m = atoi(arguments[1]), n = atoi(arguments[2]);
    int repetitions = atoi(arguments[3]);
    bool tasks = arguments[4][0] == 't';
    run<Givaro::ModularBalanced<float>>(509, m, n, repetitions, tasks);
    run<Givaro::ModularBalanced<double>>(8388593, m, n, repetitions, tasks);
}
