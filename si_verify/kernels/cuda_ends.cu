// Velocities of full covariances with independent endpoints, by the components of one end; needs cuda_mixture.cu before it.
//
//     b = rate (x - c) + sum_e (M_e G_e + p_e v_e)         si_verify/kernels/pack_one_end.py
//
// with G_e the sum of r_k g_k and p_e that of r_k over the components k that have the end e: K + E products of D^2 for 2 K. A
// thread owns a point. Components come sorted by their end, whose sums are in registers, with a maximum of their own, until
// the next end begins.

// A record: [bias, 0, 0, 0 | mean | lower rows of L^-1], each part of whole quads; cuda_ends.py writes the same.
template <int Dim>
struct EndLayout {
    static constexpr int width = (Dim + 3) / 4 * 4;
    static constexpr int mean = HEAD, whiten = HEAD + width, words = whiten + Layout<Dim, FULL>::row(Dim);
    // Of an end: M by rows, then v.
    static constexpr int offset = Dim * width, end_words = offset + width;
};

// What the sums of an end add to the point's: M G + p v.
template <class Real, int Dim, int Want>
__device__ inline void finish(Sums<Real, Dim>& a, const Sums<Real, Dim>& own, const Real* end) {
    typedef EndLayout<Dim> At;
    Real before, factor;
    join(a.top, a.total, own.top, own.total, before, factor);
#pragma unroll
    for (int d = 0; d < Dim; ++d) {
        if (Want & SCORE) a.s[d] = before * a.s[d] + factor * own.s[d];
        if (!(Want & VELOCITY)) continue;
        const Quad<Real>* row = (const Quad<Real>*)(end + d * At::width);
        Real u = own.total * end[At::offset + d];
#pragma unroll
        for (int q = 0; q < At::width / 4; ++q) {
            const Quad<Real> m = row[q];
#pragma unroll
            for (int j = 0; j < 4; ++j)
                if (4 * q + j < Dim) u += m.v[j] * own.s[4 * q + j < Dim ? 4 * q + j : 0];
        }
        a.b[d] = before * a.b[d] + factor * u;
    }
}

// members (K,): the end of a component, by which they are sorted; centre (D + 1,): c, then the rate.
template <class Real, int Dim, int Want, int Threads, int Tile>
__global__ void __launch_bounds__(Threads)
    fields_ends(const Real* __restrict__ x, Index x_row, Index x_col, Index n, const Real* __restrict__ records, int k,
                const int* __restrict__ members, const Real* __restrict__ ends, const Real* __restrict__ centre,
                Real* density, Real* score, Real* velocity) {
    typedef EndLayout<Dim> At;
    __shared__ Quad<Real> tile[Tile * At::words / 4];
    const Index row = (Index)blockIdx.x * Threads + threadIdx.x;
    Real at[Dim];
    Sums<Real, Dim> a, own;
    a.start();
    own.start();
#pragma unroll
    for (int d = 0; d < Dim; ++d) at[d] = row < n ? x[row * x_row + d * x_col] : Real(0);
    int now = members[0];
    for (int k0 = 0; k0 < k; k0 += Tile) {
        const int count = k - k0 < Tile ? k - k0 : Tile;
        __syncthreads();  // all have read the tile before
        const Quad<Real>* from = (const Quad<Real>*)(records + (Index)k0 * At::words);
        for (int i = threadIdx.x; i < count * (At::words / 4); i += Threads) tile[i] = from[i];
        __syncthreads();
        const Real* c = (const Real*)tile;
        for (int j = 0; j < count;) {
            // The components of this tile that share the end: all threads alike.
            int stop = j;
            while (stop < count && members[k0 + stop] == now) ++stop;
#pragma unroll 1
            for (; j < stop; ++j, c += At::words) {
                Real y[Dim], g[Dim];
                const Real l = c[0] - whitened<true>(at, c + At::mean, c + At::whiten, y, g);
                if (l > own.top) own.template rise<SCORE>(l);
                const Real w = power_of_two(l - own.top);
                own.total += w;
#pragma unroll
                for (int d = 0; d < Dim; ++d) own.s[d] += w * g[d];
            }
            if (j == count && k0 + count < k && members[k0 + count] == now) break;  // it goes on in the next tile
            finish<Real, Dim, Want>(a, own, ends + (Index)now * At::end_words);
            own.start();
            now = k0 + j < k ? members[k0 + j] : now;
        }
    }
    if (row >= n) return;
    const Real share = reciprocal(a.total);
    if (Want & DENSITY) density[row] = a.top * Units<Real>::log_two() + logarithm(a.total);
#pragma unroll
    for (int d = 0; d < Dim; ++d) {
        if (Want & SCORE) score[row * Dim + d] = Units<Real>::slope() * (a.s[d] * share);
        if (Want & VELOCITY) velocity[row * Dim + d] = a.b[d] * share + centre[Dim] * (at[d] - centre[d]);
    }
}
