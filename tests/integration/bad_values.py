"""Values that no field may take, for messages and calls alike."""
from harness import digest

CHECKSUM = digest(b"x")
BAD_CHECKSUMS = (
    CHECKSUM[7:],
    CHECKSUM[:-1],
    CHECKSUM + "0",
    "sha512:" + CHECKSUM[7:],
    "",
    5,
    None,
)
BAD_VERSIONS = ("1/2", "..", "../1.0", "1.0\n2", "1" * 10_000, "", "1.0 ", "1\x000", 5, ["1.0"])
BAD_JSON = (
    b"{",
    b"nonsense",
    b"[]",
    b'"text"',
    b"5",
    b"null",
    b"\xff\xfe\x00",
    b"{}{}",
    b'{"a":1,}',
    b"[" * 50_000,
    b'{"a":' * 10_000,
)
BAD_RANGES = (
    [[0, 2**63]],
    [[5, 2]],
    [[0]],
    [[0, 1, 2]],
    "x",
    [["0", "1"]],
    [[-1, 2]],
    [[0.5, 2]],
    [0, 1],
    [[0, 10**30]],
)
