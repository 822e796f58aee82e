// Full covariances of 17 to 128 dimensions, as products of matrices: scores, and velocities by the components of one end
// (pack_one_end.py). Needs cuda_mixture.cu before it.
//
// A block takes 32 points and one component after another: y = L^-1 (x - m), then G += L^-T (w y), both by threads that own
// 8 points by B rows, with a matrix in chunks of 16 columns in shared memory. Blocks of 16 x 16 above the diagonal are left
// out. The sums G of an end meet its matrix M when the next one begins; the velocity is parked in the answer's own memory.

enum { RECT = 32, RECT_THREADS = 64, CHUNK = 16 };
enum { LOWER = 0, UPPER = 1, WHOLE = 2 };

template <int Dim>
struct Blocks {
    static constexpr int count = (Dim + CHUNK - 1) / CHUNK, rows = CHUNK * count;
    static constexpr int stride = rows / 4 | 1, chunk = CHUNK / 4 | 1;  // quads; odd, for different banks
};

// sum[p][i] += row (lane + 16 i) of the matrix times the vector of point 8 group + p. matrix: rows x rows.
template <int Shape, class Real, int Count, int Stride, int Chunk>
__device__ inline void multiply(Real (&sum)[8][Count], const Quad<Real> (&vectors)[RECT][Stride],
                                Quad<Real> (&chunk)[CHUNK * Count][Chunk], const Real* matrix, int group, int lane) {
    constexpr int quads = CHUNK * Count / 4;
#pragma unroll 1
    for (int b = 0; b < Count; ++b) {
        const int low = Shape == LOWER ? b : 0, high = Shape == UPPER ? b + 1 : Count;
        __syncthreads();  // the chunk before has been read, and the vectors are there
        const Quad<Real>* from = (const Quad<Real>*)matrix + b * (CHUNK / 4);
        for (int i = CHUNK / 4 * CHUNK * low + threadIdx.x; i < CHUNK / 4 * CHUNK * high; i += RECT_THREADS)
            chunk[i / 4][i % 4] = from[i / 4 * quads + i % 4];
        __syncthreads();
#pragma unroll
        for (int q = 0; q < CHUNK / 4; ++q) {
            Quad<Real> v[8];
#pragma unroll
            for (int p = 0; p < 8; ++p) v[p] = vectors[8 * group + p][b * (CHUNK / 4) + q];
#pragma unroll
            for (int i = 0; i < Count; ++i) {
                if (i < low || i >= high) continue;  // all threads alike
                const Quad<Real> m = chunk[lane + CHUNK * i][q];
#pragma unroll
                for (int p = 0; p < 8; ++p)
#pragma unroll
                    for (int e = 0; e < 4; ++e) sum[p][i] += m.v[e] * v[p].v[e];
            }
        }
    }
}

// bias (K,), mean (K, rows), whiten and whiten_t (K, rows, rows); members (K,) of which they are sorted; ends (E, rows, rows),
// rates (E, rows), centre (rows + 1,): c, then the rate. Want has SCORE or VELOCITY, not both; without the latter there are
// no ends.
template <class Real, int Dim, int Want>
__global__ void __launch_bounds__(RECT_THREADS)
    fields_triangles(const Real* __restrict__ x, Index x_row, Index x_col, Index n, int k, const Real* __restrict__ bias,
                     const Real* __restrict__ mean, const Real* __restrict__ whiten, const Real* __restrict__ whiten_t,
                     const int* __restrict__ members, const Real* __restrict__ ends, const Real* __restrict__ rates,
                     const Real* __restrict__ centre, Real* density, Real* score, Real* velocity) {
    typedef Blocks<Dim> At;
    __shared__ Quad<Real> vectors[RECT][At::stride], chunk[At::rows][At::chunk];
    const int me = threadIdx.x, group = me / 16, lane = me % 16;
    const Index first = (Index)blockIdx.x * RECT;
    const Index mine = first + me / 2 < n ? first + me / 2 : n - 1;  // past the end: the last row again, never stored
    const Real* point = x + mine * x_row;
    Real own[8][At::count], y[8][At::count], top[8], total[8], whole_top[8], whole[8];
#pragma unroll
    for (int p = 0; p < 8; ++p) {
        top[p] = whole_top[p] = lowest(Real(0));
        total[p] = whole[p] = Real(0);
#pragma unroll
        for (int i = 0; i < At::count; ++i) own[p][i] = Real(0);
    }
    for (int kk = 0; kk < k; ++kk) {
        const Real* m = mean + (Index)kk * At::rows;
        __syncthreads();  // what was in the vectors has been read
        for (int d = me % 2 * (At::rows / 2); d < (me % 2 + 1) * (At::rows / 2); d += 4) {
            const Quad<Real> away = *(const Quad<Real>*)(m + d);
            Quad<Real> delta;
#pragma unroll
            for (int e = 0; e < 4; ++e) delta.v[e] = d + e < Dim ? point[(d + e) * x_col] - away.v[e] : Real(0);
            vectors[me / 2][d / 4] = delta;
        }
#pragma unroll
        for (int p = 0; p < 8; ++p)
#pragma unroll
            for (int i = 0; i < At::count; ++i) y[p][i] = Real(0);
        multiply<LOWER>(y, vectors, chunk, whiten + (Index)kk * At::rows * At::rows, group, lane);
        __syncthreads();  // all have read the differences
#pragma unroll
        for (int p = 0; p < 8; ++p) {
            Real square = 0;
#pragma unroll
            for (int i = 0; i < At::count; ++i) square += y[p][i] * y[p][i];
            // The sixteen threads that share a point lie side by side.
#pragma unroll
            for (int mask = 8; mask > 0; mask /= 2) square += __shfl_xor_sync(0xffffffffu, square, mask);
            const Real l = bias[kk] - square, high = larger_of(top[p], l), shrink = power_of_two(top[p] - high);
            const Real w = power_of_two(l - high);
            top[p] = high;
            total[p] = total[p] * shrink + w;
#pragma unroll
            for (int i = 0; i < At::count; ++i) {
                own[p][i] *= shrink;
                ((Real*)vectors[8 * group + p])[lane + CHUNK * i] = w * y[p][i];
            }
        }
        multiply<UPPER>(own, vectors, chunk, whiten_t + (Index)kk * At::rows * At::rows, group, lane);
        if (!(Want & VELOCITY) || (kk + 1 < k && members[kk + 1] == members[kk])) continue;
        __syncthreads();
        const Index end = members[kk];
        const bool begun = members[0] != members[kk];
#pragma unroll
        for (int p = 0; p < 8; ++p)
#pragma unroll
            for (int i = 0; i < At::count; ++i) {
                ((Real*)vectors[8 * group + p])[lane + CHUNK * i] = own[p][i];
                y[p][i] = total[p] * rates[end * At::rows + lane + CHUNK * i];
                own[p][i] = Real(0);
            }
        multiply<WHOLE>(y, vectors, chunk, ends + end * At::rows * At::rows, group, lane);
#pragma unroll
        for (int p = 0; p < 8; ++p) {
            const Index row = first + 8 * group + p;
            Real before, factor;
            join(whole_top[p], whole[p], top[p], total[p], before, factor);
            top[p] = lowest(Real(0));
            total[p] = Real(0);
#pragma unroll
            for (int i = 0; i < At::count; ++i) {
                const int d = lane + CHUNK * i;
                // The first end overwrites: what the memory held may be NaN.
                if (row < n && d < Dim)
                    velocity[row * Dim + d] = factor * y[p][i] + (begun ? before * velocity[row * Dim + d] : Real(0));
            }
        }
    }
#pragma unroll
    for (int p = 0; p < 8; ++p) {
        const Index row = first + 8 * group + p;
        if (row >= n) continue;
        const Real sum = Want & VELOCITY ? whole[p] : total[p], share = reciprocal(sum);
        if (Want & DENSITY && lane == 0)
            density[row] = (Want & VELOCITY ? whole_top[p] : top[p]) * Units<Real>::log_two() + logarithm(sum);
#pragma unroll
        for (int i = 0; i < At::count; ++i) {
            const int d = lane + CHUNK * i;
            if (d >= Dim) continue;
            if (Want & SCORE) score[row * Dim + d] = Units<Real>::slope() * (own[p][i] * share);
            if (Want & VELOCITY)
                velocity[row * Dim + d] =
                    velocity[row * Dim + d] * share + centre[At::rows] * (x[row * x_row + d * x_col] - centre[d]);
        }
    }
}
