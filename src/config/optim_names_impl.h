/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimisers and schedules by the names that configurations use: options.def lists these, and src/optim finds them here
 * (the variable spk__optim_NAME or spk__scheduler_NAME of a file there). A new one is a file there and a line here.
 */
#ifndef SPK_CONFIG_OPTIM_NAMES_IMPL_H
#define SPK_CONFIG_OPTIM_NAMES_IMPL_H

/* clang-format off */
/* ABSENT: ESPnet has it; docs/optim.md says why this program does not. */
#define SPK_OPTIMISERS(KIND, ABSENT) \
    KIND(adam) \
    KIND(adamw) \
    KIND(sgd) \
    KIND(adadelta) \
    KIND(adagrad) \
    KIND(adamax) \
    KIND(asgd) \
    KIND(rmsprop) \
    KIND(rprop) \
    KIND(radam) \
    ABSENT(lbfgs) \
    ABSENT(accagd) \
    ABSENT(adabound) \
    ABSENT(adamod) \
    ABSENT(diffgrad) \
    ABSENT(lamb) \
    ABSENT(novograd) \
    ABSENT(pid) \
    ABSENT(qhm) \
    ABSENT(sgdw) \
    ABSENT(yogi) \
    ABSENT(fusedadam) \
    ABSENT(fusedlamb) \
    ABSENT(fusednovograd) \
    ABSENT(fusedsgd)

#define SPK_SCHEDULERS(KIND, ABSENT) \
    KIND(reducelronplateau) \
    KIND(steplr) \
    KIND(multisteplr) \
    KIND(exponentiallr) \
    KIND(cosineannealinglr) \
    KIND(noamlr) \
    KIND(warmuplr) \
    KIND(piecewiselinearwarmuplr) \
    KIND(warmupsteplr) \
    KIND(warmupreducelronplateau) \
    KIND(cycliclr) \
    KIND(onecyclelr) \
    KIND(cosineannealingwarmrestarts) \
    KIND(cosineannealingwarmuprestarts) \
    KIND(tristagelr) \
    KIND(exponentialdecaywarmup) \
    ABSENT(lambdalr)

/* clang-format on */

/* As choices of an option: "a|b|c" is what begins behind the first bar. */
#define SPK_OPTIM_CHOICE(name) "|" #name
#define SPK_OPTIM_NO_CHOICE(name)

#endif
