/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a plain scalar reads: YAML 1.1 as PyYAML resolves it (yes/on are true, 0x10 and 010 are
 * numbers, 1:30 is 90, underscores may part digits), and in addition 1e-3, 1e5 and 1.0e5, which
 * PyYAML leaves as text.
 */
#include "formats/yaml_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 400 };

static bool is_plain(const spk_yaml *node)
{
    return node && node->kind == SPK_YAML_SCALAR && !node->quoted;
}

static bool is_one_of(const char *s, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(s, words[i]) == 0) return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool spk_yaml_is_null(const spk_yaml *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    return is_plain(node) && is_one_of(node->text, words, 5);
}

bool spk_yaml_bool(const spk_yaml *node, bool *out)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"};
    if (!is_plain(node)) return false;
    const bool is_yes = is_one_of(node->text, yes, 9);
    if (!is_yes && !is_one_of(node->text, no, 9)) return false;
    *out = is_yes;
    return true;
}

/* The text without underscores; false when it is too long for a number or holds anything strange. */
static bool squeeze(const char *s, char out[LONGEST_NUMBER])
{
    size_t n = 0;
    const char *digits = s + (*s == '-' || *s == '+');
    if (!is_digit(digits[0]) && digits[0] != '.') return false;
    for (; *s; s++) {
        if (*s == '_') continue;
        if (n + 1 >= LONGEST_NUMBER) return false;
        out[n++] = *s;
    }
    out[n] = 0;
    return true;
}

/* a:b:c to base 60, all parts but the last whole; the last may have a fraction. */
static bool sexagesimal(const char *s, bool whole, double *out)
{
    double value = 0;
    int n_parts = 0;
    for (;;) {
        const char *start = s;
        while (is_digit(*s))
            s++;
        const long long n_digits = s - start;
        const double part = strtod(start, NULL);
        if (n_digits == 0 || (n_parts > 0 && (n_digits > 2 || part >= 60))) return false;
        n_parts++;
        if (*s == ':') {
            value = (value + part) * 60;
            s++;
            continue;
        }
        if (*s == '.' && !whole) {
            const size_t fraction = strspn(s + 1, "0123456789");
            if (s[1 + fraction] != 0) return false;
            *out = value + strtod(start, NULL);
            return n_parts > 1;
        }
        *out = value + part;
        return *s == 0 && n_parts > 1 && whole;
    }
}

static bool integer(const char *s, int64_t *out)
{
    const bool negative = *s == '-';
    const char *digits = s + (*s == '-' || *s == '+');
    int base = 10;
    double seconds;
    if (strchr(digits, ':')) {
        if (digits[0] == '0' || !sexagesimal(digits, true, &seconds) || seconds > 1e15) return false;
        *out = negative ? -(int64_t)seconds : (int64_t)seconds;
        return true;
    }
    if (digits[0] == '0' && digits[1] != 0) {
        base = digits[1] == 'x' ? 16 : digits[1] == 'b' ? 2 : 8;
        digits += base == 8 ? 1 : 2;
    }
    static const char all[] = "0123456789abcdefABCDEF";
    const size_t n = strlen(digits);
    const size_t ok = base == 16  ? strspn(digits, all)
                      : base == 8 ? strspn(digits, "01234567")
                      : base == 2 ? strspn(digits, "01")
                                  : strspn(digits, "0123456789");
    if (n == 0 || ok != n) return false;
    errno = 0;
    const unsigned long long v = strtoull(digits, NULL, base);
    if (errno || v > (unsigned long long)INT64_MAX) return false;
    *out = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

bool spk_yaml_int(const spk_yaml *node, int64_t *out)
{
    char s[LONGEST_NUMBER];
    return is_plain(node) && squeeze(node->text, s) && integer(s, out);
}

/* digits [. digits] [e [sign] digits], with at least one digit before or after the point. */
static bool is_decimal(const char *s)
{
    s += *s == '-' || *s == '+';
    const size_t whole = strspn(s, "0123456789");
    s += whole;
    size_t fraction = 0;
    if (*s == '.') {
        fraction = strspn(s + 1, "0123456789");
        s += 1 + fraction;
    }
    if (whole + fraction == 0) return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        const size_t exponent = strspn(s, "0123456789");
        if (exponent == 0) return false;
        s += exponent;
    }
    return *s == 0;
}

bool spk_yaml_double(const spk_yaml *node, double *out)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF"};
    static const char *const nan[] = {".nan", ".NaN", ".NAN"};
    char s[LONGEST_NUMBER];
    int64_t whole;
    if (!is_plain(node)) return false;
    const bool negative = node->text[0] == '-';
    const char *unsigned_text = node->text + (negative || node->text[0] == '+');
    if (is_one_of(unsigned_text, infinite, 3)) {
        *out = negative ? -INFINITY : INFINITY;
        return true;
    }
    if (is_one_of(node->text, nan, 3)) {
        *out = NAN;
        return true;
    }
    if (!squeeze(node->text, s)) return false;
    if (integer(s, &whole)) {
        *out = (double)whole;
        return true;
    }
    if (strchr(s, ':')) {
        const bool ok = sexagesimal(s + (negative || *s == '+'), false, out);
        if (ok && negative) *out = -*out;
        return ok;
    }
    if (!is_decimal(s) || (s[strspn(s, "+-")] == '0' && !strpbrk(s, ".eE"))) return false; /* 08 is a word */
    *out = strtod(s, NULL);
    return true;
}
