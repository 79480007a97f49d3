/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes: words, values, mistakes with their places, digests, which steps run and why. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "recipe/recipe_impl.h"

static char folder[] = "/tmp/spk-recipe-XXXXXX";

static void put(const char *name, const char *text)
{
    char *path = spk_path_join(folder, name), *in = spk_path_folder(path);
    assert_int_equal(spk_make_folders(in), SPK_OK);
    assert_int_equal(spk_write_file(path, text, strlen(text)), SPK_OK);
    spk_free(path);
    spk_free(in);
}

static void split_is(const char *text, int n, const char *const *words)
{
    spk_str_list w = {0};
    assert_int_equal(spk_words_split(text, "here", &w), SPK_OK);
    assert_int_equal(w.n, n);
    for (int i = 0; i < n; i++)
        assert_string_equal(w.v[i], words[i]);
    spk_words_clear(&w);
}

static void words(void **state)
{
    (void)state;
    spk_str_list w = {0};
    split_is("", 0, NULL);
    split_is(" a\n  b\t", 2, (const char *const[]){"a", "b"});
    split_is("--x 'a b'c \"\" d'\"'", 4, (const char *const[]){"--x", "a bc", "", "d\""});
    assert_int_equal(spk_words_split("a 'b", "f:3:1", &w), SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "f:3:1: the quote ' in 'a 'b' does not end"));
    spk_words_clear(&w);
    /* a line that a shell, and spk_words_split where there is no ', read back */
    assert_int_equal(spk_words_split("a 'b c' \"it's\" '' $x *", "here", &w), SPK_OK);
    char *line = spk_words_line(&w);
    assert_string_equal(line, "a 'b c' 'it'\\''s' '' '$x' '*'");
    spk_free(line);
    spk_words_clear(&w);
}

static const char recipe_text[] =
    "variables:\n"
    "  exp: EXP\n"
    "  a: {default: \"${exp}/${env.SPK_NOT_THERE:-x y}\", help: some}\n"
    "  more: [--p, \"${a}\"]\n"
    "  none: []\n"
    "steps:\n"
    "- {name: one, stage: 2, run: \"do ${a} ${more} ${none} $${a}\", outputs: \"${exp}/one\"}\n"
    "- {name: two, run: [to, do], inputs: \"${exp}/one in\", outputs: [\"${exp}/two\"]}\n"
    "- {name: three, stage: 7, when: \"${none}no\", run: x, outputs: y}\n";

static void load(spk_recipe *r)
{
    char *path = spk_path_join(folder, "r.yaml"), *exp = spk_path_join(folder, "exp");
    put("r.yaml", recipe_text);
    assert_int_equal(spk_recipe_load(path, r), SPK_OK);
    assert_int_equal(spk_recipe_set(r, "exp", exp), SPK_OK);
    spk_free(path);
    spk_free(exp);
}

static void values(void **state)
{
    (void)state;
    spk_recipe r;
    int64_t first, last;
    load(&r);
    /* "${none}no" is no word of its own: a list may not stand there */
    assert_int_equal(spk_recipe_settle(&r), SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "${none} is a list of words and can only stand"));
    spk_recipe_clear(&r);
    load(&r);
    spk_free(r.step[2].when);
    r.step[2].when = spk_strdup("no");
    assert_int_equal(spk_recipe_settle(&r), SPK_OK);
    const spk_str_list *run = &r.step[0].run;
    char *a = spk_strf("%s/exp/x y", folder);
    assert_int_equal(run->n, 5);
    assert_string_equal(run->v[1], a);
    assert_string_equal(run->v[2], "--p");
    assert_string_equal(run->v[3], a);
    assert_string_equal(run->v[4], "${a}");
    assert_false(r.step[0].left_out);
    assert_true(r.step[2].left_out);
    assert_int_equal(r.step[1].stage, 2);
    assert_int_equal(spk_recipe_maker(&r, r.step[1].inputs.v[0]), 0);
    assert_int_equal(spk_recipe_maker(&r, "in"), -1);
    assert_int_equal(spk_recipe_range(&r, "2", "6", &first, &last), SPK_OK);
    assert_int_equal(first, 0);
    assert_int_equal(last, 1);
    assert_int_equal(spk_recipe_range(&r, "two", NULL, &first, &last), SPK_OK);
    assert_int_equal(first, 1);
    assert_int_equal(last, 2);
    assert_int_equal(spk_recipe_range(&r, "8", NULL, &first, &last), SPK_E_CONFIG);
    spk_free(a);
    spk_recipe_clear(&r);
}

/* The digest of a file or folder: contents count, times do not. */
static void digests(void **state)
{
    (void)state;
    char *file = spk_path_join(folder, "d/a"), *in = spk_path_join(folder, "d"), *b = spk_path_join(folder, "d/b");
    const spk_str_list but = {1, &b};
    const struct timespec then[2] = {{1000, 0}, {1000, 0}};
    spk_digest one, again, all, less;
    put("d/a", "text");
    put("d/sub/c", "not looked at");
    assert_int_equal(spk_digest_take(file, NULL, NULL, &one), SPK_OK);
    assert_int_equal(spk_digest_take(in, NULL, NULL, &all), SPK_OK);
    assert_true(one.there && all.there);
    assert_int_equal(utimensat(AT_FDCWD, file, then, 0), 0);
    assert_int_equal(spk_digest_take(file, NULL, &one, &again), SPK_OK);
    assert_true(again.quick != one.quick && again.content == one.content);
    put("d/a", "Text");
    assert_int_equal(spk_digest_take(file, NULL, &one, &again), SPK_OK);
    assert_true(again.content != one.content);
    put("d/a", "text");
    put("d/b", "more");
    put("d/sub/c", "other");
    assert_int_equal(spk_digest_take(in, &but, NULL, &less), SPK_OK);
    assert_true(less.content == all.content);
    assert_int_equal(spk_digest_take(in, NULL, NULL, &again), SPK_OK);
    assert_true(again.content != all.content);
    assert_int_equal(spk_digest_take("/nowhere", NULL, NULL, &one), SPK_OK);
    assert_false(one.there);
    spk_free(file);
    spk_free(in);
    spk_free(b);
}

static void turn_is(const spk_recipe *r, const spk_step_record *before, spk_step_turn want, const char *why_part)
{
    spk_step_record now;
    spk_step_turn turn;
    char *why = NULL;
    assert_int_equal(spk_step_record_now(r, 1, before, &now), SPK_OK);
    assert_int_equal(spk_recipe_turn(r, 1, before, &now, false, &turn, &why), SPK_OK);
    if (why_part && !(why && strstr(why, why_part))) fail_msg("why: '%s', not '%s'", why ? why : "", why_part);
    assert_int_equal(turn, want);
    spk_free(why);
    spk_step_record_clear(&now);
}

static void turns(void **state)
{
    (void)state;
    spk_recipe r;
    spk_step_record rec, back;
    load(&r);
    spk_free(r.step[2].when);
    r.step[2].when = spk_strdup("no");
    assert_int_equal(spk_recipe_settle(&r), SPK_OK);
    put("exp/one", "1");
    put("exp/two", "2");
    spk_step_record_read(&r, 1, &back);
    assert_int_equal(back.state, SPK_STEP_NONE);
    turn_is(&r, &back, SPK_TURN_ANEW, "not run yet");
    spk_step_record_clear(&back);
    assert_int_equal(spk_step_record_now(&r, 1, NULL, &rec), SPK_OK);
    assert_int_equal(spk_digest_take(rec.outputs.v[0], NULL, NULL, &rec.output[0]), SPK_OK);
    rec.state = SPK_STEP_DONE;
    assert_int_equal(spk_step_record_write(&r, 1, &rec), SPK_OK);
    spk_step_record_clear(&rec);
    spk_step_record_read(&r, 1, &rec);
    turn_is(&r, &rec, SPK_TURN_UP_TO_DATE, NULL);
    put("exp/one", "other");
    turn_is(&r, &rec, SPK_TURN_ANEW, "exp/one has changed");
    put("exp/one", "1");
    put("exp/two", "other");
    turn_is(&r, &rec, SPK_TURN_ANEW, "exp/two is not as the step left it");
    put("exp/two", "2");
    turn_is(&r, &rec, SPK_TURN_UP_TO_DATE, NULL);
    spk_free(rec.version);
    rec.version = spk_strdup("0.0.1");
    turn_is(&r, &rec, SPK_TURN_ANEW, "version 0.0.1");
    spk_free(r.step[1].run.v[1]);
    r.step[1].run.v[1] = spk_strdup("undo");
    turn_is(&r, &rec, SPK_TURN_ANEW, "'undo' was 'do'");
    spk_step_record_clear(&rec);
    put("exp/.recipe/two.json", "{ \"state\": \"done\", \"comm");
    spk_step_record_read(&r, 1, &rec);
    assert_int_equal(rec.state, SPK_STEP_NONE);
    spk_step_record_clear(&rec);
    spk_recipe_clear(&r);
}

/* An interrupted step goes on only from a checkpoint that it has written itself. */
static void resumes(void **state)
{
    (void)state;
    spk_recipe r;
    spk_step_record rec;
    load(&r);
    spk_free(r.step[2].when);
    r.step[2].when = spk_strdup("no");
    r.step[1].checkpoint = spk_strdup("${exp}/cp");
    SPK_PUSH(r.step[1].resume.v, r.step[1].resume.n) = spk_strdup("--resume");
    assert_int_equal(spk_recipe_settle(&r), SPK_OK);
    put("exp/cp", "x");
    assert_int_equal(spk_step_record_now(&r, 1, NULL, &rec), SPK_OK);
    rec.state = SPK_STEP_BEGUN;
    rec.began = INT64_MAX;
    turn_is(&r, &rec, SPK_TURN_ANEW, "interrupted");
    rec.began = 1;
    turn_is(&r, &rec, SPK_TURN_RESUME, "interrupted");
    rec.state = SPK_STEP_FAILED;
    turn_is(&r, &rec, SPK_TURN_RESUME, "failed");
    put("exp/one", "new");
    turn_is(&r, &rec, SPK_TURN_ANEW, "has changed");
    spk_step_record_clear(&rec);
    spk_recipe_clear(&r);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = spk_strf("rm -rf %s", folder);
    const int rc = system(command);
    spk_free(command);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words), cmocka_unit_test(values), cmocka_unit_test(digests),
                                       cmocka_unit_test(turns), cmocka_unit_test(resumes)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
