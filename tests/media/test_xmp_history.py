"""Steps in XMP packets: added to what is there, and read back whoever has written them anew."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from esc_cli.media.xmp_history import NAMESPACE, steps_of, with_step

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MAKE = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Make="Maker"'
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<r:RDF xmlns:r="{RDF}"><r:Description r:about="a&amp;&quot;b" {MAKE}/></r:RDF></x:xmpmeta>'
    + " " * 50
    + '<?xpacket end="w"?>'
).encode()
STEP = {"tool": "esc", "settings": '{"a":"<&>"}', "model": "é\u6f22"}


def test_what_is_there_stays_byte_for_byte_and_the_step_describes_the_same_thing():
    made = with_step(PACKET, STEP)
    end = PACKET.index(b"</r:RDF>")
    assert made.startswith(PACKET[:end])
    assert made.endswith(PACKET[end:])
    root = ElementTree.fromstring(made.decode())
    abouts = {one.get(f"{{{RDF}}}about") for one in root.iter(f"{{{RDF}}}Description")}
    assert abouts == {'a&"b'}
    assert steps_of(made) == (STEP,)


def test_a_second_step_stands_behind_the_first_in_one_array():
    made = with_step(with_step(None, STEP), {"tool": "again"})
    assert steps_of(made) == (STEP, {"tool": "again"})
    root = ElementTree.fromstring(made.decode())
    assert len(list(root.iter(f"{{{NAMESPACE}}}history"))) == 1


@pytest.mark.parametrize(
    "item",
    [
        '<rdf:li rdf:parseType="Resource"><p:tool>esc</p:tool></rdf:li>',
        '<rdf:li p:tool="esc"/>',
        '<rdf:li><rdf:Description p:tool="esc"/></rdf:li>',
        "<rdf:li><rdf:Description><p:tool>esc</p:tool></rdf:Description></rdf:li>",
    ],
)
def test_every_form_that_rdf_has_for_a_step_is_read(item):
    array = f'<p:history xmlns:p="{NAMESPACE}"><rdf:Seq>{item}</rdf:Seq></p:history>'
    inside = f"<rdf:Description>{array}</rdf:Description>"
    packet = f'<rdf:RDF xmlns:rdf="{RDF}">{inside}</rdf:RDF>'.encode()
    assert steps_of(packet) == ({"tool": "esc"},)
    assert steps_of(with_step(packet, {"tool": "two"})) == ({"tool": "esc"}, {"tool": "two"})


@pytest.mark.parametrize(
    "packet",
    [
        PACKET[: PACKET.index(b"</x:")],
        PACKET.decode().encode("utf-16"),
        b"<a/>",
        b'<rdf:RDF xmlns:rdf="%s"/>' % RDF.encode(),
        b'<!DOCTYPE a [<!ENTITY e "x">]>' + PACKET,
        b'<?xml version="1.0" encoding="none-such"?><a/>',
    ],
)
def test_what_cannot_be_added_to_is_left_alone(packet):
    assert with_step(packet, STEP) is None
    assert steps_of(packet) == ()


def test_zeros_behind_a_packet_are_no_harm():
    assert steps_of(with_step(PACKET + b"\0\0", STEP)) == (STEP,)


def test_what_xml_has_no_place_for_becomes_a_question_mark():
    assert steps_of(with_step(None, {"model": "a\x00\udc80\ufffeb"})) == ({"model": "a???b"},)
