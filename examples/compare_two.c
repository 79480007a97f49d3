/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are these two recordings of one speaker? Embeds both with a trained model and prints their cosine.
 *
 * usage: compare_two EXP A.wav B.wav [THRESHOLD]
 *   EXP        an output folder of `spk train`
 *   THRESHOLD  a cosine; with it, the answer is printed too. What fits depends on the model and the recordings.
 *
 * cc compare_two.c $(pkg-config --cflags --libs spk) -o compare_two
 */
#include <stdio.h>
#include <stdlib.h>

#include <spk/embedder.h>

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: compare_two EXP A.wav B.wav [THRESHOLD]\n");
        return 2;
    }
    spk_embedder *embedder = NULL;
    if (spk_embedder_open(argv[1], NULL, &embedder) != SPK_OK) {
        fprintf(stderr, "compare_two: %s\n", spk_errmsg());
        return 1;
    }
    const int64_t n = spk_embedder_size(embedder);
    float *a = malloc((size_t)n * sizeof *a), *b = malloc((size_t)n * sizeof *b);
    int rc = 1;
    if (!a || !b) {
        fprintf(stderr, "compare_two: no memory\n");
    } else if (spk_embed_file(embedder, argv[2], a) != SPK_OK || spk_embed_file(embedder, argv[3], b) != SPK_OK) {
        fprintf(stderr, "compare_two: %s\n", spk_errmsg());
    } else {
        const double cosine = spk_embedding_cosine(a, b, n);
        printf("cosine %.4f", cosine);
        if (argc == 5) printf(": %s", cosine >= strtod(argv[4], NULL) ? "the same speaker" : "different speakers");
        printf("\n");
        rc = 0;
    }
    free(a);
    free(b);
    spk_embedder_close(embedder);
    return rc;
}
