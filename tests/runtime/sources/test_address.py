"""What is shown of an address, and what is not."""

from __future__ import annotations

import pytest

from edge_mtl.runtime.sources.address import mask_in, masked, split_options


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://camera:554/1", "rtsp://camera:554/1"),
        ("rtsp://me:secret@camera:554/1?a=b", "rtsp://***@camera:554/1?a=b"),
        ("rtsp://secret@camera/1", "rtsp://***@camera/1"),
        # An @ or a / that should have been escaped.
        ("rtsp://me:sec@ret@camera/1", "rtsp://***@camera/1"),
        ("rtsp://me:sec/ret@camera/1", "rtsp://***@camera/1"),
        ("http://camera/v.cgi?user=me&pwd=secret&n=1", "http://camera/v.cgi?user=me&pwd=***&n=1"),
        ("http://camera/?access_token=secret", "http://camera/?access_token=***"),
        (
            'gst:rtspsrc location="rtsp://me:secret@camera/1" user-pw=secret ! x',
            'gst:rtspsrc location="rtsp://***@camera/1" user-pw=*** ! x',
        ),
        ("gst:souphttpsrc user-pw='sec ret' ! x", "gst:souphttpsrc user-pw=*** ! x"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_passwords_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("401 for rtsp://me:secret@camera/1", "401 for rtsp://***@camera/1"),
        ("user me, password secret", "user me, password ***"),
        ("a password may be a part of secretary", "a password may be a part of secretary"),
        ("Basic me:secret", "Basic ***"),
        ("redirected to http://you:other@camera/2", "redirected to http://***@camera/2"),
    ],
)
def test_messages_of_libraries_are_masked(message: str, shown: str) -> None:
    assert mask_in(message, "rtsp://me:secret@camera/1") == shown


@pytest.mark.parametrize(
    ("text", "address", "options"),
    [
        ("0", "0", ""),
        ("0#width=640,height=480", "0", "width=640,height=480"),
        ("rtsp://c/1?channel=1&x=2#transport=udp", "rtsp://c/1?channel=1&x=2", "transport=udp"),
        ("gst:a location=x#1 ! b#queue=2", "gst:a location=x#1 ! b", "queue=2"),
    ],
)
def test_options_stand_behind_the_last_hash(text: str, address: str, options: str) -> None:
    assert split_options(text) == (address, options)
