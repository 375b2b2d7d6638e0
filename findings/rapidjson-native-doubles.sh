#!/bin/sh
# RapidJSON's own reading of a double is sometimes the neighbour of the right one.
#
# Guess:   a double that is written with all its digits (Python's repr) comes back as itself, and
#          NM_NATIVE of python-rapidjson, "faster", differs in how large an integer may be. 0e400
#          is zero, and the largest double is read as C's float.h writes it.
# Truth:   only with RapidJSON's kParseFullPrecisionFlag, which is off unless asked for. NM_NATIVE
#          is without it: of numbers between 0 and 1 a tenth come back as the next double, of all
#          doubles three of ten, by up to two. Without NM_NATIVE python-rapidjson takes the digits
#          alone from RapidJSON, and is right. TensorFlow Serving reads JSON without that flag, too
#          (json_tensor.cc, ParseJson): a double sent over REST is not bit for bit what it is over
#          gRPC. In float32 that is not seen. Zeros with an exponent above 308 and
#          more (0e309) are too big in both modes, 1.7976931348623158e+308 (float.h's DBL_MAX) in
#          NM_NATIVE.
# Way out: python-rapidjson without NM_NATIVE; six significant digits, which come back as they are.
# Version: python-rapidjson 1.25 (RapidJSON of its master branch), of Linux x86-64 and Python 3.11;
#          seen on 30 November 2026.
# Source:  rapidjson.org/md_doc_dom.html, kParseFullPrecisionFlag ("max 3 ULP error" without it);
#          github.com/Tencent/rapidjson, issues 710 and 849.
# Seen:    of 20000 doubles each, read back as another one
#            between 0 and 1    NM_NATIVE 2155, 1 units at most, without 0
#            any                NM_NATIVE 5911, 2 units at most, without 0
#            of six digits      NM_NATIVE 0, 0 units at most, without 0
#          0.42451918914251396      NM_NATIVE 0.4245191891425139, without 0.42451918914251396
#          0e309                    NM_NATIVE too big, without too big
#          1.7976931348623158e+308  NM_NATIVE too big, without 1.7976931348623157e+308
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-rapidjson==1.25
cat > "$folder/finding.py" <<'END'
import math
import random
import struct
import sys

import rapidjson

COUNT = 20_000


def native(text):
    return rapidjson.loads(text, number_mode=rapidjson.NM_NATIVE)


def any_double():
    while True:
        value = struct.unpack("<d", random.randbytes(8))[0]
        if math.isfinite(value) and abs(value) < 1.79e308:
            return value


def units(one, other):
    one, other = (struct.unpack("<q", struct.pack("<d", value))[0] for value in (one, other))
    return abs(one - other)


def read(loads, text):
    try:
        return repr(loads(text))
    except rapidjson.JSONDecodeError as error:
        assert "Number too big to be stored in double" in str(error), error
        return "too big"


random.seed(7)
as_found = True
for name, draw, wrong, furthest in (
    ("between 0 and 1", random.random, range(COUNT // 20, COUNT // 5), 1),
    ("any", any_double, range(COUNT // 5, COUNT // 2), 2),
    ("of six digits", lambda: round(random.random(), 6), range(1), 0),
):
    drawn = [draw() for _ in range(COUNT)]
    off = [units(value, native(repr(value))) for value in drawn]
    others = sum(rapidjson.loads(repr(value)) != value for value in drawn)
    missed = sum(distance > 0 for distance in off)
    as_found &= missed in wrong and max(off) == furthest and others == 0
    print(f"{name:18} NM_NATIVE {missed}, {max(off)} units at most, without {others}")
for text, by_native, without in (
    ("0.42451918914251396", "0.4245191891425139", "0.42451918914251396"),
    ("0e309", "too big", "too big"),
    ("1.7976931348623158e+308", "too big", "1.7976931348623157e+308"),
):
    seen = read(native, text), read(rapidjson.loads, text)
    as_found &= seen == (by_native, without)
    print(f"{text:24} NM_NATIVE {seen[0]}, without {seen[1]}")
sys.exit(None if as_found else "This is not what was found; see the head of this file.")
END
"$folder/venv/bin/python" "$folder/finding.py"
