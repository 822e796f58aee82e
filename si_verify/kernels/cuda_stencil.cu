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

__device__ inline float larger(float c, float w) { return fmaxf(c, fabsf(w)); }
__device__ inline double larger(double c, double w) { return c > fabs(w) ? c : fabs(w); }

template <class Real>
__device__ inline Real flux(Real low, Real high, Real w, Real c) {
    return fused(w, low + high, larger(c, w) * (low - high));
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

// A stage of a strip of a column. A closed face has no drift, and where it is a column's both its sides are the same cell: then
// the flux is zero as it comes. Rows below ``low`` and from ``high`` on are not of the grid; with Inside there are none.
// Second: averaged with ``began``. c: epsilon tau / h^2 of both axes.
template <bool Inside, bool Second, class Real, int Tall, int Columns, int Rows>
__device__ inline void advance(Real (&plane)[Tall][Columns], Real (&here)[Rows], const Real (&began)[Rows],
                               const Real (&over)[Rows + 1], const Real (&before)[Rows], const Real (&after)[Rows],
                               Real keep, const Real (&c)[2], int column, int top, int west, int east, int low, int high) {
#pragma unroll
    for (int r = 0; r < Rows; ++r) plane[top + r][column] = here[r];
    __syncthreads();
    const Real cx = c[0], cy = c[1];
    Real below = flux(plane[top > 0 ? top - 1 : 0][column], here[0], over[0], cx);
    if (!Inside && !(top > low && top < high)) below = Real(0);
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
        const int row = top + r;
        // The last row of the tile has itself for the next one: its face is closed.
        const int last = top + Rows < Tall ? top + Rows : Tall - 1;
        Real above = flux(here[r], r + 1 < Rows ? here[r + 1 < Rows ? r + 1 : r] : plane[last][column], over[r + 1], cx);
        if (!Inside && !(row >= low && row + 1 < high)) above = Real(0);
        const Real entering = flux(plane[row][west], here[r], before[r], cy);
        const Real leaving = flux(here[r], plane[row][east], after[r], cy);
        const Real moved = here[r] + ((below - above) + (entering - leaving));
        below = above;
        here[r] = Second ? mean(moved, began[r], keep) : moved;
    }
    __syncthreads();  // all have read before the next stage writes
}

// Stages that are not averaged, or pairs of which the second is averaged with where the first began.
template <bool Inside, bool Averaged, class Real, int Tall, int Columns, int Rows>
__device__ inline void march(Real (&plane)[Tall][Columns], Real (&here)[Rows], const Real (&over)[Rows + 1],
                             const Real (&before)[Rows], const Real (&after)[Rows], int stages, Real keep,
                             const Real (&c)[2], int column, int top, int west, int east, int low, int high) {
#pragma unroll 1
    for (int s = 0; s < stages; s += Averaged ? 2 : 1) {
        Real began[Rows];
#pragma unroll
        for (int r = 0; r < Rows; ++r) began[r] = here[r];
        advance<Inside, false>(plane, here, began, over, before, after, keep, c, column, top, west, east, low, high);
        if (Averaged && s + 1 < stages)
            advance<Inside, true>(plane, here, began, over, before, after, keep, c, column, top, west, east, low, high);
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
    // What is read again every stage is no constant to the compiler, which would keep max(c, |w|) of every face in registers
    // that there are not.
    __shared__ Real plane[Tall][Columns], c[2];
    const int column = threadIdx.x % Columns, top = threadIdx.x / Columns * Rows;
    const Index i0 = (Index)(blockIdx.x / across) * (Tall - 2 * stages) - stages;
    const Index j0 = (Index)(blockIdx.x % across) * (Columns - 2 * stages) - stages;
    // Rows and columns of the tile that lie in the grid; faces are open between two of them.
    const int low = i0 < 0 ? (int)-i0 : 0, high = n - i0 < Tall ? (int)(n - i0) : Tall;
    const int near = j0 < 0 ? (int)-j0 : 0, far = m - j0 < Columns ? (int)(m - j0) : Columns;
    const bool in = column >= near && column < far;
    const bool left = column > near && column < far, right = column >= near && column + 1 < far;
    if (threadIdx.x == 0) c[0] = cx, c[1] = cy;  // a barrier comes before they are read
    const Index start = (i0 + top) * m + j0 + column;
    const Real *density = rho + start, *down = wx + start, *side = wy + start + i0 + top;  // rows of wy have m + 1 faces
    Real here[Rows], over[Rows + 1], before[Rows], after[Rows];
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
        const int row = top + r;
        const bool there = row >= low && row < high;
        over[r] = in && row > low && row < high ? ax * down[r * m] : Real(0);
        here[r] = in && there ? density[r * m] : Real(0);
        before[r] = left && there ? ay * side[r * (m + 1)] : Real(0);
        after[r] = right && there ? ay * side[r * (m + 1) + 1] : Real(0);
    }
    over[Rows] = in && top + Rows > low && top + Rows < high ? ax * down[Rows * m] : Real(0);
    const int west = left ? column - 1 : column, east = right ? column + 1 : column;
    // All threads of a block alike: most tiles lie inside and ask nothing of their rows.
    if (low == 0 && near == 0 && high == Tall && far == Columns)
        march<true, Averaged>(plane, here, over, before, after, stages, keep, c, column, top, west, east, low, high);
    else
        march<false, Averaged>(plane, here, over, before, after, stages, keep, c, column, top, west, east, low, high);
    if (!in || column < stages || column >= Columns - stages) return;
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
        const int row = top + r;
        if (row >= stages && row < Tall - stages && row < high) out[(i0 + row) * m + j0 + column] = here[r];
    }
}
