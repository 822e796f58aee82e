// The transport and Fokker-Planck equation on a grid, finite volumes, fluxes made on the way (fused_kernels.py on the CPU):
//
//     F = w (low + high) + max(c, |w|) (low - high)     through a face with w = sign tau drift / 2h, c = epsilon tau / h^2
//
// What leaves a cell enters its neighbour: a face's flux is made once, or twice from the same numbers by the same expression
// with every rounding spelled out, so that mass is kept to rounding. Walls have no flux whatever their drift, which may be NaN.
//
//   stage    a forward Euler step, or a stage of an SSP method: every cell read once and written once. A thread goes down the
//            first axis and hands the flux across from cell to cell; neighbours within a row come from cache.
//   several  many stages in a pass with one drift (2-D): a thread has a strip of a column with its faces' drift in registers
//            for all of them, a block's tile with a halo of as many cells as there are stages shares densities.
//
// Arrays are C-contiguous: densities (n, l, m), drift on faces (n + 1, l, m), (n, l + 1, m), (n, l, m + 1); l = 1 in two
// dimensions. Plain C++ but for the words of CUDA: tests/si_verify/kernels/cuda_on_cpu.h runs it on the CPU.

typedef long long Index;

__device__ inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double fused(double a, double b, double c) { return fma(a, b, c); }

// a if a > b, else b; b where either is NaN.
template <class Real>
__device__ inline Real larger(Real a, Real b) {
    return a > b ? a : b;
}

template <class Real>
__device__ inline Real flux(Real low, Real high, Real w, Real c) {
    const Real size = w < 0 ? -w : w;
    return fused(w, low + high, larger(c, size) * (low - high));
}

// keep * base + (1 - keep) * moved
template <class Real>
__device__ inline Real mean(Real moved, Real base, Real keep) {
    return fused(keep, base, (Real(1) - keep) * moved);
}

// out = keep base + (1 - keep) (rho - dF); base is not read where keep is 0. Out is none of the others. A block takes Wide
// by Deep columns and ``band`` cells of each; ``across`` blocks lie along a row, ``beside`` along the middle axis.
template <class Real, int Dim, int Wide, int Deep>
__global__ void __launch_bounds__(Wide * Deep)
    stage(const Real* __restrict__ base, const Real* __restrict__ rho, const Real* __restrict__ w0,
          const Real* __restrict__ w1, const Real* __restrict__ w2, Real* __restrict__ out, Index n, Index l, Index m,
          Real keep, Real a0, Real c0, Real a1, Real c1, Real a2, Real c2, int band, int across, int beside) {
    const int block = blockIdx.x, row = block / across;
    const Index k = (Index)(block % across) * Wide + threadIdx.x % Wide;
    const Index j = Dim == 3 ? (Index)(row % beside) * Deep + threadIdx.x / Wide : 0;
    const Index first = (Index)(row / beside) * band, stop = first + band < n ? first + band : n;
    if (k >= m || j >= l) return;  // no barrier below
    const Index plane = l * m, start = j * m + k;
    const bool front = Dim == 3 && j > 0, back = Dim == 3 && j + 1 < l, left = k > 0, right = k + 1 < m;
    Real here = rho[first * plane + start], below = Real(0);
    if (first > 0) {
        const Index at = first * plane + start;
        below = flux(rho[at - plane], here, a0 * w0[at], c0);
    }
#pragma unroll 4
    for (Index i = first; i < stop; ++i) {
        const Index at = i * plane + start;
        Real next = Real(0), above = Real(0);
        if (i + 1 < n) {
            next = rho[at + plane];
            above = flux(here, next, a0 * w0[at + plane], c0);
        }
        const Index face = at + i * l + j;  // rows of w2 have m + 1 faces
        const Real entering = left ? flux(rho[at - 1], here, a2 * w2[face], c2) : Real(0);
        const Real leaving = right ? flux(here, rho[at + 1], a2 * w2[face + 1], c2) : Real(0);
        Real change = entering - leaving;
        if (Dim == 3) {
            const Index side = at + i * m;  // planes of w1 have l + 1 rows
            const Real coming = front ? flux(rho[at - m], here, a1 * w1[side], c1) : Real(0);
            const Real going = back ? flux(here, rho[at + m], a1 * w1[side + m], c1) : Real(0);
            change = (coming - going) + change;
        }
        const Real moved = here + ((below - above) + change);
        out[at] = keep != Real(0) ? mean(moved, base[at], keep) : moved;
        here = next;
        below = above;
    }
}

// ``stages`` stages with one drift. With Averaged every second one is averaged with where the one before it began, weighted
// ``keep``. The tile is the part of the grid that they depend on, advanced as if its edges were walls: what is wrong with that
// comes a cell further in a stage, and does not reach the cells that are written.
template <class Real, int Rows, int Columns, int Strips, bool Averaged>
__global__ void __launch_bounds__(Columns * Strips)
    several(const Real* __restrict__ rho, const Real* __restrict__ wx, const Real* __restrict__ wy,
            Real* __restrict__ out, Index n, Index m, int stages, Real keep, Real ax, Real cx, Real ay, Real cy,
            int across) {
    constexpr int Tall = Rows * Strips;
    __shared__ Real plane[Tall][Columns];
    const int column = threadIdx.x % Columns, top = threadIdx.x / Columns * Rows;
    const Index i0 = (Index)(blockIdx.x / across) * (Tall - 2 * stages) - stages;
    const Index j0 = (Index)(blockIdx.x % across) * (Columns - 2 * stages) - stages;
    // Rows and columns of the tile that lie in the grid; faces are open between two of them.
    const int low = i0 < 0 ? (int)-i0 : 0, high = n - i0 < Tall ? (int)(n - i0) : Tall;
    const int near = j0 < 0 ? (int)-j0 : 0, far = m - j0 < Columns ? (int)(m - j0) : Columns;
    const bool in = column >= near && column < far;
    const bool left = column > near && column < far, right = column >= near && column + 1 < far;
    Real here[Rows], began[Averaged ? Rows : 1], over[Rows + 1], before[Rows], after[Rows];
#pragma unroll
    for (int r = 0; r <= Rows; ++r) {
        const int row = top + r;
        const Index i = i0 + row, j = j0 + column, at = i * m + j;
        over[r] = in && row > low && row < high ? ax * wx[at] : Real(0);
        if (r == Rows) break;
        const bool there = row >= low && row < high;
        here[r] = in && there ? rho[at] : Real(0);
        before[r] = left && there ? ay * wy[at + i] : Real(0);
        after[r] = right && there ? ay * wy[at + i + 1] : Real(0);
    }
    for (int s = 0; s < stages; ++s) {
#pragma unroll
        for (int r = 0; r < Rows; ++r) plane[top + r][column] = here[r];
        __syncthreads();
        Real below = Real(0);
        if (top > low && top < high) below = flux(plane[top - 1][column], here[0], over[0], cx);
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            const int row = top + r;
            Real above = Real(0);
            if (row >= low && row + 1 < high) {
                const Real next = r + 1 < Rows ? here[r + 1 < Rows ? r + 1 : r] : plane[row + 1][column];
                above = flux(here[r], next, over[r + 1], cx);
            }
            const Real entering = left ? flux(plane[row][column - 1], here[r], before[r], cy) : Real(0);
            const Real leaving = right ? flux(here[r], plane[row][column + 1], after[r], cy) : Real(0);
            const Real moved = here[r] + ((below - above) + (entering - leaving));
            below = above;
            if (Averaged && s % 2 == 0) began[Averaged ? r : 0] = here[r];
            here[r] = Averaged && s % 2 == 1 ? mean(moved, began[Averaged ? r : 0], keep) : moved;
        }
        __syncthreads();  // all have read before the next stage writes
    }
    if (!in || column < stages || column >= Columns - stages) return;
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
        const int row = top + r;
        if (row >= stages && row < Tall - stages && row < high) out[(i0 + row) * m + j0 + column] = here[r];
    }
}
