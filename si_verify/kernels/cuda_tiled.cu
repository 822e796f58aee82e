// Isotropic fields of 33 to 128 dimensions, tile by tile as matrix products are made; needs cuda_mixture.cu before it.
//
// A block takes 32 points and tiles of 32 components. Every thread forms the squared distances of 4 points to 4 components,
// differences and all, then the weighted sums of 8 points over 8 coordinates: a number from shared memory serves four or
// eight operations. Weights pass from one to the other through shared memory. Sums are expanded as in the narrow kernel.

enum { SIDE = 32, TILED = 64 };

template <int Dim>
struct TileLayout {
    static constexpr int width = (Dim + 3) / 4 * 4, quads = width / 4;
    static constexpr int stride = quads | 1;           // quads a row; odd, so that eight rows lie in different banks
    static constexpr int mine = (quads + 15) / 16;     // quads of coordinates of a thread in the sums
    static constexpr int weights = SIDE / 4 + 1;       // quads a component
};

// bias, half, slope (K,), mean and offset (K, width): K is padded to whole tiles with components of zero weight. Want has
// SCORE or VELOCITY, not both.
template <class Real, int Dim, int Want>
__global__ void __launch_bounds__(TILED)
    fields_tiled(const Real* __restrict__ x, Index x_row, Index x_col, Index n, int k, const Real* __restrict__ bias,
                 const Real* __restrict__ half, const Real* __restrict__ slope, const Real* __restrict__ mean,
                 const Real* __restrict__ offset, Real* density, Real* score, Real* velocity) {
    typedef TileLayout<Dim> At;
    __shared__ Quad<Real> points[SIDE][At::stride], tile[SIDE][At::stride], weights[SIDE][At::weights];
    __shared__ Real shrinks[SIDE], shares[SIDE], turns[SIDE];
    const int me = threadIdx.x, row_of = me / 8, column = me % 8, group = me / 16, lane = me % 16;
    const Index first = (Index)blockIdx.x * SIDE;
    for (int i = me; i < SIDE * At::width; i += TILED) {
        const int p = i / At::width, d = i % At::width;
        ((Real*)points[p])[d] = first + p < n && d < Dim ? x[(first + p) * x_row + d * x_col] : Real(0);
    }
    Real top[4], total[4], turn[4], sum[8][At::mine][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        top[i] = lowest(Real(0));
        total[i] = turn[i] = Real(0);
    }
#pragma unroll
    for (int p = 0; p < 8; ++p)
#pragma unroll
        for (int q = 0; q < At::mine; ++q)
#pragma unroll
            for (int e = 0; e < 4; ++e) sum[p][q][e] = Real(0);
    for (int k0 = 0; k0 < k; k0 += SIDE) {
        __syncthreads();  // all have read the tile and the weights before
        const Quad<Real>* from = (const Quad<Real>*)(mean + (Index)k0 * At::width);
        for (int i = me; i < SIDE * At::quads; i += TILED) tile[i / At::quads][i % At::quads] = from[i];
        __syncthreads();
        Real square[4][4] = {};
#pragma unroll 2
        for (int q = 0; q < At::quads; ++q) {
            Quad<Real> at[4], m[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                at[i] = points[row_of + 8 * i][q];
                m[i] = tile[column + 8 * i][q];
            }
#pragma unroll
            for (int i = 0; i < 4; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j)
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        const Real delta = at[i].v[e] - m[j].v[e];
                        square[i][j] += delta * delta;
                    }
        }
        Real halves[4], biases[4], slopes[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int c = k0 + column + 8 * j;
            biases[j] = bias[c];
            halves[j] = half[c];
            slopes[j] = Want & VELOCITY ? slope[c] : Real(0);
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            Real high = top[i];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                square[i][j] = biases[j] - halves[j] * square[i][j];
                high = larger_of(high, square[i][j]);
            }
            // The eight threads that share a point lie side by side.
#pragma unroll
            for (int mask = 4; mask > 0; mask /= 2) high = larger_of(high, __shfl_xor_sync(0xffffffffu, high, mask));
            const Real shrink = power_of_two(top[i] - high);
            top[i] = high;
            total[i] *= shrink;
            turn[i] *= shrink;
            if (column == 0) shrinks[row_of + 8 * i] = shrink;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const Real w = power_of_two(square[i][j] - high), pull = w * halves[j];
                total[i] += w;
                turn[i] += Want & VELOCITY ? w * slopes[j] : pull;
                ((Real*)weights[column + 8 * j])[row_of + 8 * i] = Want & VELOCITY ? w : pull;
            }
        }
        __syncthreads();  // the weights are there, and the means have been read
        if (Want & VELOCITY) {
            from = (const Quad<Real>*)(offset + (Index)k0 * At::width);
            for (int i = me; i < SIDE * At::quads; i += TILED) tile[i / At::quads][i % At::quads] = from[i];
            __syncthreads();
        }
#pragma unroll
        for (int p = 0; p < 8; ++p) {
            const Real shrink = shrinks[8 * group + p];
#pragma unroll
            for (int q = 0; q < At::mine; ++q)
#pragma unroll
                for (int e = 0; e < 4; ++e) sum[p][q][e] *= shrink;
        }
#pragma unroll 2
        for (int c = 0; c < SIDE; ++c) {
            Quad<Real> w[2], value[At::mine];
#pragma unroll
            for (int h = 0; h < 2; ++h) w[h] = weights[c][2 * group + h];
#pragma unroll
            for (int q = 0; q < At::mine; ++q)
                value[q] = tile[c][lane + 16 * q < At::quads ? lane + 16 * q : 0];  // past the last: never stored
#pragma unroll
            for (int p = 0; p < 8; ++p)
#pragma unroll
                for (int q = 0; q < At::mine; ++q)
#pragma unroll
                    for (int e = 0; e < 4; ++e) sum[p][q][e] += w[p / 4].v[p % 4] * value[q].v[e];
        }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int mask = 4; mask > 0; mask /= 2) {
            total[i] += __shfl_xor_sync(0xffffffffu, total[i], mask);
            turn[i] += __shfl_xor_sync(0xffffffffu, turn[i], mask);
        }
        const int p = row_of + 8 * i;
        if (column == 0) {
            shares[p] = reciprocal(total[i]);
            turns[p] = turn[i];
            if (Want & DENSITY && first + p < n) density[first + p] = top[i] * Units<Real>::log_two() + logarithm(total[i]);
        }
    }
    __syncthreads();
#pragma unroll
    for (int p = 0; p < 8; ++p) {
        const int point = 8 * group + p;
        const Index row = first + point;
        if (row >= n) continue;
#pragma unroll
        for (int q = 0; q < At::mine; ++q)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int d = 4 * (lane + 16 * q) + e;
                if (d >= Dim) continue;
                const Real moved = turns[point] * ((const Real*)points[point])[d], share = shares[point];
                if (Want & SCORE) score[row * Dim + d] = Units<Real>::slope() * ((moved - sum[p][q][e]) * share);
                if (Want & VELOCITY) velocity[row * Dim + d] = (moved + sum[p][q][e]) * share;
            }
    }
}
