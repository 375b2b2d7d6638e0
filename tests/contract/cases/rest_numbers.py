"""Cases of numbers over REST: how they are read, and the digits in which they are written."""

from tests.contract.case import Answer, Case, Fails, Raw, Rest, found
from tests.contract.cases.rest import HALF, IMAGES, JSON, over_rest
from tests.contract.cases.rest_grammar import AT, SECOND
from tests.contract.seen import NOT_SEEN, SEEN

WRITE = f"{JSON} WriteDecimal; {SEEN}"
READ = f"{JSON} AddValueToTensor; {SEEN}"


def _numbers(name: str, given: str, written: str, dtype: str = "float32", when: str = SEEN) -> Case:
    """A case of the text of numbers, by row."""
    return over_rest(
        f"numbers, {name}",
        f'{{"signature_name":"{dtype}","instances":[{given}]}}'.encode(),
        Raw(f'{{\n    "predictions": [{written}\n    ]\n}}'),
        f"{JSON} WriteDecimal; {when}",
    )


def _row(name: str, dtype: str, given: str, answer: Answer) -> Case:
    body = f'{{"signature_name":"{dtype}","instances":[{given}]}}'.encode()
    return over_rest(f"numbers, {name}", body, answer, READ)


def _misfit(given: str, kind: str, dtype: str) -> Fails:
    shown = {"1e2": "100.0"}.get(given, given)
    return Fails(400, f"{AT}JSON Value: {shown} Type: {kind} is not of expected type: {dtype}")


GIVEN = (
    "0.3333333333333333,0.3713398,0.02145109,0.1,1.0,1e5,1234567,12345678,16777216,1e10,"
    "123456790528,1e-5,1.5e-7,3.4e38,0.0001,1000000,999999.5"
)
WRITTEN = (
    *("0.333333343", "0.371339798", "0.0214510895", "0.1", "1.0", "100000.0", "1234567.0"),
    *("12345678.0", "16777216.0", "1e+10", "1.23456791e+11", "1e-05", "1.5e-07", "3.4e+38"),
    *("0.0001", "1e+06", "999999.5"),
)
LINES = ",\n        ".join(WRITTEN)

FLOATS = [
    _numbers("floats by row", GIVEN, ", ".join(WRITTEN)),
    over_rest(
        "numbers, floats by column",
        f'{{"inputs":[{GIVEN}]}}'.encode(),
        Raw(f'{{\n    "outputs": [\n        {LINES}\n    ]\n}}'),
        WRITE,
    ),
    _numbers("floats in lists", f"[{GIVEN}]", f"[{', '.join(WRITTEN)}]"),
    over_rest(
        "numbers, floats in many rows",
        {"instances": [[(i * 1e-3 + j) / 10 for j in range(10)] for i in range(64)]},
        Raw(found(r"\[0\.0, 0\.1, 0\.2, .*\[0\.0003, 0\.1003, 0\.2003, .*\[0\.0063, 0\.1063, ")),
        WRITE,
    ),
    over_rest(
        "numbers, floats of two outputs",
        b'{"signature_name":"pair","instances":[{"a":0.3713398,"b":1}]}',
        {"predictions": [{"product": 0.371339798, "sum": 1.3713398}]},
        WRITE,
    ),
    over_rest(
        "numbers, the logits of a picture",
        {"instances": [[[0.371] + [0.0] * 27] + [[0.0] * 28] * 27]},
        Raw(
            found(
                r'"logits": \[0\.0, 0\.371, 0\.742, 1\.11299992, 1\.484, 1\.855, '
                r"2\.22599983, 2\.597, 2\.968, 3\.339\]"
            )
        ),
        WRITE,
        IMAGES,
    ),
    *(
        Case(
            f"numbers, of {method}",
            Rest(
                "POST",
                f"{HALF}:{method}",
                {"signature_name": signature, "examples": [{"x": 0.7426796}]},
            ),
            Raw(f'{{\n    "results": {results}\n}}'),
            WRITE,
        )
        for method, signature, results in (
            ("regress", "regress_x_to_y", "[3.3713398]"),
            ("classify", "classify_both", '[[["low", 3.3713398], ["high", 6.7426796]]\n    ]'),
        )
    ),
    _numbers(
        "a subnormal float", "1e-45,-1e-45,1e-46,1.17549435e-38", "0.0, -0.0, 0.0, 1.17549435e-38"
    ),
    _numbers("the largest float", "3.4028235e38,33554432", "3.40282347e+38, 33554432.0"),
    _numbers("what no float holds", "3.5e38,-1e39,1e308", "Infinity, -Infinity, Infinity"),
    _numbers("whole numbers that no float holds", "16777217,16777217.0", "16777216.0, 16777216.0"),
    _numbers("minus nothing", "-0.0,-0", "-0.0, 0.0"),
    _numbers("NaN", "NaN", "NaN"),
    _numbers("minus NaN", "-NaN", "NaN", when=NOT_SEEN),
    _numbers("Inf", "Inf,-Inf,Infinity,-Infinity", "Infinity, -Infinity, Infinity, -Infinity"),
    _numbers(
        "doubles",
        "0.1,0.3333333333333333,1e22,1e21,1e15,1e16,1e17,123456789012345678,3.141592653589793,"
        "100000,2.5e-5,5e-324,1.7976931348623157e308,9007199254740993,1e100",
        "0.1, 0.33333333333333331, 1e+22, 1e+21, 1e+15, 1e+16, 1e+17, 1.2345678901234568e+17, "
        "3.1415926535897931, 100000.0, 2.5e-05, 0.0, 1.7976931348623157e+308, 9007199254740992.0, "
        "1e+100",
        "float64",
    ),
    _numbers(
        "doubles as RapidJSON rounds them",
        "0.23796462709189137,0.9560342718892494",
        "0.23796462709189137, 0.95603427188924939",
        "float64",
        NOT_SEEN,
    ),
]

OTHERS = [
    _row("the smallest int64", "int64", "-9223372036854775808", {"predictions": [-(2**63)]}),
    _row("the largest uint64", "uint64", "18446744073709551615", {"predictions": [2**64 - 1]}),
    _row(
        "int64 beyond",
        "int64",
        "9223372036854775808",
        _misfit("9223372036854775808", "Number", "int64"),
    ),
    _row("a decimal for int64", "int64", "1.0", _misfit("1.0", "Number", "int64")),
    _row("an exponent for int32", "int32", "1e2", _misfit("1e2", "Number", "int32")),
    _row("uint32 beyond", "uint32", "4294967296", _misfit("4294967296", "Number", "uint32")),
    _row("int8 beyond", "int8", "300,-129", {"predictions": [44, 127]}),
    _row("uint8 beyond", "uint8", "-1,256", {"predictions": [255, 0]}),
    _row("int16", "int16", "-32768", {"predictions": [-32768]}),
    _row("true for a float", "float32", "true", _misfit("true", "True", "float")),
    _row("a string for a bool", "bool", '"true"', _misfit('"true"', "String", "bool")),
    _row("bools", "bool", "true,false", {"predictions": [True, False]}),
    _row("a string for a float", "float32", '"1.0"', _misfit('"1.0"', "String", "float")),
    _row(
        "null after a number",
        "float32",
        "1.0,null",
        Fails(
            400,
            f"{SECOND}JSON Value: null Type: Null is not of expected type: float",
        ),
    ),
    *(
        _row(
            f"a number for a {dtype}",
            dtype,
            "1.5",
            Fails(
                400,
                f"{AT.replace('INVALID_ARGUMENT', 'UNIMPLEMENTED')}Conversion of JSON Value: 1.5 "
                f"to type: {kind}",
            ),
        )
        for dtype, kind in (("float16", "half"), ("bfloat16", "bfloat16"))
    ),
    over_rest("numbers, a scalar column", b'{"inputs": 1.0}', {"outputs": 1.0}, READ),
    over_rest("numbers, a named scalar column", b'{"inputs": {"x": 1.0}}', {"outputs": 1.0}, READ),
]

CASES = [*FLOATS, *OTHERS]
