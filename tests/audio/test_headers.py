"""Whatever a file says of its own length: its headers are read to an end, without an exception."""

import os
from io import BytesIO

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from hiphoplib.audio.files import Recording  # noqa: E402
from hiphoplib.audio.headers import ASF, ASF_PROPERTIES, BEGINNINGS, Content, correct, torn  # noqa: E402
from hiphoplib.errors import BadInput  # noqa: E402

EXAMPLES = int(os.environ.get("HIPHOP_EXAMPLES", 200))
NAMES = [b"data", b"fmt ", b"SSND", b"COMM", b"ds64", b"WAVE", b"AIFF", b"OggS", ASF_PROPERTIES]
PIECES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x10\0\0\0", b"\0\0\0\1"]),
    st.binary(max_size=40),
)
HEADS = st.sampled_from([*BEGINNINGS, ASF, b"RF64", b"RIFX", b"riff", b".snd", b"\0\0\0\x18ftyp"])


@settings(max_examples=EXAMPLES, deadline=None)
@given(HEADS, st.lists(PIECES, max_size=12))
def test_reading_headers_ends_without_an_exception(head, pieces):
    content = head + b"".join(pieces)
    size, file = len(content), Content(BytesIO(content), "")
    assert correct(file, content, size) <= size
    assert torn(file, content, size) in (True, False)
    file.seek(0)
    assert len(file.read()) == size


@settings(max_examples=EXAMPLES, deadline=None)
@given(HEADS, st.lists(PIECES, max_size=12))
def test_what_begins_like_audio_is_heard_or_refused_with_a_reason(head, pieces):
    try:
        with Recording(head + b"".join(pieces)) as recording:
            assert sum(map(len, recording.blocks())) == recording.samples > 0
    except BadInput as error:
        assert str(error)
