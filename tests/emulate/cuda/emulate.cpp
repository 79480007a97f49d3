/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a block as fibers: each has a stack, and gives the processor away where it must wait for others. */
#include "emulate.h"

#include <vector>

#if !defined(__x86_64__)
#error "the switch between stacks is written for x86-64"
#endif

namespace
{

enum { MOST_THREADS = 1024, STACK_BYTES = 64 * 1024, WARP = 32 };

/* A barrier: `passed` counts how often all have come. */
struct barrier {
    int live, arrived;
    int64_t passed;
};

struct fiber {
    void *stack_pointer;
    dim3 thread;
    bool ended;
};

fiber fibers[MOST_THREADS];
unsigned char *stacks; /* MOST_THREADS of STACK_BYTES */
barrier block_barrier, warp_barrier[MOST_THREADS / WARP];
/* Two sets, so that one exchange's values stay while the next one's are given. */
uint64_t given[MOST_THREADS / WARP][2][WARP];
int64_t exchanges[MOST_THREADS];
int n_fibers, current;
bool moved; /* something happened in this round */
void *scheduler_stack;
const std::function<void()> *body;
std::vector<unsigned char> dynamic_shared;

} // namespace

spk_emulated_thread spk_emulated;

/* Keeps the callee-saved registers on the stack that is left, and takes them from the one that is entered. */
extern "C" void spk_emulate_switch(void **leave, void *enter);
__asm__(".text\n"
        ".globl spk_emulate_switch\n"
        ".hidden spk_emulate_switch\n"
        "spk_emulate_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n");

static void give_way(void)
{
    spk_emulate_switch(&fibers[current].stack_pointer, scheduler_stack);
    spk_emulated.thread = fibers[current].thread;
}

static void open_if_all(barrier *b)
{
    if (b->arrived == 0 || b->arrived < b->live) return;
    b->arrived = 0;
    b->passed++;
    moved = true;
}

static void wait_at(barrier *b)
{
    const int64_t before = b->passed;
    b->arrived++;
    moved = true;
    open_if_all(b);
    while (b->passed == before)
        give_way();
}

static void end_thread(void)
{
    fibers[current].ended = true;
    moved = true;
    block_barrier.live--;
    warp_barrier[current / WARP].live--;
    open_if_all(&block_barrier);
    open_if_all(&warp_barrier[current / WARP]);
}

static void run_thread(void)
{
    (*body)();
    end_thread();
    for (;;)
        give_way();
}

void spk_emulate_sync_block(void)
{
    wait_at(&block_barrier);
}

void spk_emulate_sync_warp(void)
{
    wait_at(&warp_barrier[current / WARP]);
}

int spk_emulate_lane(void)
{
    return current % WARP;
}

uint64_t spk_emulate_exchange(uint64_t mine, int from)
{
    const int warp = current / WARP;
    uint64_t *set = given[warp][exchanges[current]++ % 2];
    set[current % WARP] = mine;
    wait_at(&warp_barrier[warp]);
    return set[from & (WARP - 1)];
}

static void prepare(fiber *f, int i)
{
    /* The address that the first switch returns to, below it six registers; 16-byte aligned as a call leaves it. */
    void **top = reinterpret_cast<void **>(stacks + static_cast<size_t>(i + 1) * STACK_BYTES) - 2;
    *top = reinterpret_cast<void *>(run_thread);
    f->stack_pointer = top - 6;
    f->ended = false;
    exchanges[i] = 0;
}

static void run_block(void)
{
    const dim3 size = spk_emulated.n_threads;
    block_barrier = {n_fibers, 0, 0};
    for (int w = 0; w * WARP < n_fibers; w++)
        warp_barrier[w] = {n_fibers - w * WARP < WARP ? n_fibers - w * WARP : static_cast<int>(WARP), 0, 0};
    for (int i = 0; i < n_fibers; i++) {
        const unsigned u = static_cast<unsigned>(i);
        fibers[i].thread = dim3(u % size.x, u / size.x % size.y, u / size.x / size.y);
        prepare(&fibers[i], i);
    }
    do {
        moved = false;
        for (current = 0; current < n_fibers; current++) {
            if (fibers[current].ended) continue;
            spk_emulated.thread = fibers[current].thread;
            spk_emulate_switch(&scheduler_stack, fibers[current].stack_pointer);
        }
    } while (moved);
    for (int i = 0; i < n_fibers; i++)
        if (!fibers[i].ended) {
            fprintf(stderr, "emulated CUDA: thread %d of a block of %d waits at a barrier that others never reach\n", i,
                    n_fibers);
            abort();
        }
}

void spk_emulate(dim3 blocks, dim3 threads, size_t shared, const std::function<void()> &kernel)
{
    n_fibers = static_cast<int>(threads.x * threads.y * threads.z);
    if (n_fibers < 1 || n_fibers > MOST_THREADS || blocks.y > 65535 || blocks.z > 65535 || shared > 227 * 1024) {
        fprintf(stderr, "emulated CUDA: a launch that no GPU takes: %u x %u x %u blocks of %d threads, %zu bytes\n",
                blocks.x, blocks.y, blocks.z, n_fibers, shared);
        abort();
    }
    if (!stacks)
        stacks = static_cast<unsigned char *>(aligned_alloc(4096, static_cast<size_t>(MOST_THREADS) * STACK_BYTES));
    dynamic_shared.resize(shared + 16);
    spk_emulated.shared = dynamic_shared.data() + 16 - reinterpret_cast<uintptr_t>(dynamic_shared.data()) % 16;
    body = &kernel;
    spk_emulated.n_blocks = blocks;
    spk_emulated.n_threads = threads;
    for (unsigned z = 0; z < blocks.z; z++)
        for (unsigned y = 0; y < blocks.y; y++)
            for (unsigned x = 0; x < blocks.x; x++) {
                spk_emulated.block = dim3(x, y, z);
                memset(spk_emulated.shared, 0xff, shared);
                run_block();
            }
}
