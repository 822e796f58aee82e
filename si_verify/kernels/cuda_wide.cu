// Fields of any dimension: a warp owns Points points, its lanes share the coordinates, full covariances pass through shared
// memory. Needs cuda_mixture.cu before it.

template <class Real>
__device__ inline Real warp_sum(Real v) {
    for (int m = LANES / 2; m > 0; m /= 2) v += __shfl_xor_sync(0xffffffffu, v, m);
    return v;  // the same bits in every lane: each step adds the same two numbers
}

// Arrays by name (K, D) and (K, D, D); the transposes are read where a lane owns a row, so that lanes read neighbours.
// In: of points and of what has a number a coordinate; an isotropic half or slope, like the bias, is Real.
template <class Real, int Dim, int Kind, int Want, int Points, int Warps, class In>
__global__ void fields_wide(const In* __restrict__ x, Index x_row, Index x_col, Index n, Index k,
                            const Real* __restrict__ bias, const In* __restrict__ mean,
                            const typename Choose<Kind == ISOTROPIC, Real, In>::type* __restrict__ half,
                            const In* __restrict__ offset,
                            const typename Choose<Kind == ISOTROPIC, Real, In>::type* __restrict__ slope,
                            const In* __restrict__ whiten, const In* __restrict__ whiten_t,
                            const In* __restrict__ slope_t, Real* density, Real* score, Real* velocity) {
    constexpr int Chunks = (Dim + LANES - 1) / LANES, Held = Kind == FULL ? Dim : 1;
    __shared__ Real away[Warps][Points][Held], white[Warps][Points][Held];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Index first = ((Index)blockIdx.x * Warps + warp) * Points;
    if (first >= n) return;  // a whole warp; no barrier of the block is used below
    Real at[Points][Chunks], s[Points][Chunks], b[Points][Chunks], top[Points], total[Points];
    Real whole_top[Points], whole[Points];
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + p < n ? first + p : n - 1;  // past the end: the last row again, never stored
        top[p] = lowest(Real(0));
        total[p] = whole[p] = Real(0);
        whole_top[p] = top[p];
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            at[p][c] = d < Dim ? widen(x[row * x_row + d * x_col]) : Real(0);
            s[p][c] = b[p][c] = Real(0);
        }
    }
    for (Index kk = 0; kk < k; ++kk) {
        Real delta[Points][Chunks], square[Points], pull[Chunks];
#pragma unroll
        for (int p = 0; p < Points; ++p) square[p] = Real(0);
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            const bool in = d < Dim;
            const Real m = in ? widen(mean[kk * Dim + d]) : Real(0);
            pull[c] = Kind == ISOTROPIC ? widen(half[kk]) : Kind == DIAGONAL && in ? widen(half[kk * Dim + d]) : Real(0);
#pragma unroll
            for (int p = 0; p < Points; ++p) {
                delta[p][c] = at[p][c] - m;
                if (Kind == FULL) {
                    if (in) away[warp][p][d] = delta[p][c];
                } else {
                    square[p] += delta[p][c] * delta[p][c] * pull[c];
                }
            }
        }
        if (Kind == FULL) {
            const Index matrix = kk * Dim * Dim;
            __syncwarp();
            for (int c = 0; c < Chunks; ++c) {
                const int i = lane + c * LANES;
                Real y[Points] = {};
                for (int j = 0; j <= i && i < Dim; ++j) {
                    const Real l = widen(whiten_t[matrix + (Index)j * Dim + i]);
#pragma unroll
                    for (int p = 0; p < Points; ++p) y[p] += l * away[warp][p][j];
                }
#pragma unroll
                for (int p = 0; p < Points; ++p) {
                    if (i < Dim) white[warp][p][i] = y[p];
                    square[p] += y[p] * y[p];
                }
            }
            __syncwarp();
        }
        Real w[Points];
#pragma unroll
        for (int p = 0; p < Points; ++p) {
            const Real l = bias[kk] - warp_sum(square[p]);
            if (l > top[p]) {  // all lanes alike
                const Real shrink = power_of_two(top[p] - l);
                top[p] = l;
                total[p] *= shrink;
#pragma unroll
                for (int c = 0; c < Chunks; ++c) {
                    s[p][c] *= shrink;
                    b[p][c] *= shrink;
                }
            }
            w[p] = power_of_two(l - top[p]);
            total[p] += w[p];
        }
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            if (d >= Dim) continue;
            const Index at_k = kk * Dim + d;
            if (Kind != FULL) {
                const Real rate = Want & VELOCITY ? widen(offset[at_k]) : Real(0);
                const Real ratio = Want & VELOCITY ? widen(slope[Kind == ISOTROPIC ? kk : at_k]) : Real(0);
#pragma unroll
                for (int p = 0; p < Points; ++p) {
                    if (Want & SCORE) s[p][c] += w[p] * pull[c] * delta[p][c];
                    if (Want & VELOCITY) b[p][c] += w[p] * (rate + ratio * delta[p][c]);
                }
                continue;
            }
            const Index matrix = kk * Dim * Dim;
            Real g[Points] = {}, u[Points] = {};
            for (int j = Want & VELOCITY ? 0 : d; j < Dim; ++j) {
                const Real column = Want & SCORE && j >= d ? widen(whiten[matrix + (Index)j * Dim + d]) : Real(0);
                const Real row = Want & VELOCITY ? widen(slope_t[matrix + (Index)j * Dim + d]) : Real(0);
#pragma unroll
                for (int p = 0; p < Points; ++p) {
                    if (Want & SCORE) g[p] += column * white[warp][p][j];
                    if (Want & VELOCITY) u[p] += row * white[warp][p][j];
                }
            }
#pragma unroll
            for (int p = 0; p < Points; ++p) {
                if (Want & SCORE) s[p][c] += w[p] * g[p];
                if (Want & VELOCITY) b[p][c] += w[p] * (widen(offset[at_k]) + u[p]);
            }
        }
        if (Kind == FULL) __syncwarp();  // the next component writes where this one reads
        if (k <= STRETCH || ((kk + 1) % STRETCH != 0 && kk + 1 < k)) continue;
        const bool begun = kk >= STRETCH, over = kk + 1 == k;
#pragma unroll
        for (int p = 0; p < Points; ++p) {
            const Index row = first + p;
            Real before, own;
            join(whole_top[p], whole[p], top[p], total[p], before, own);
            if (row < n) {
#pragma unroll
                for (int c = 0; c < Chunks; ++c) {
                    const Index d = lane + c * LANES, to = row * Dim + d;
                    if (d >= Dim) continue;
                    if (Want & SCORE) score[to] = s[p][c] = own * s[p][c] + (begun ? before * score[to] : Real(0));
                    if (Want & VELOCITY)
                        velocity[to] = b[p][c] = own * b[p][c] + (begun ? before * velocity[to] : Real(0));
                }
            }
            top[p] = over ? whole_top[p] : lowest(Real(0));
            total[p] = over ? whole[p] : Real(0);
#pragma unroll
            for (int c = 0; c < Chunks; ++c)
                if (!over) s[p][c] = b[p][c] = Real(0);
        }
    }
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + p;
        if (row >= n) continue;
        const Real share = Real(1) / total[p];
        if (Want & DENSITY && lane == 0) density[row] = top[p] * Units<Real>::log_two() + logarithm(total[p]);
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            if (d >= Dim) continue;
            if (Want & SCORE) score[row * Dim + d] = Units<Real>::slope() * (s[p][c] * share);
            if (Want & VELOCITY) velocity[row * Dim + d] = b[p][c] * share;
        }
    }
}
