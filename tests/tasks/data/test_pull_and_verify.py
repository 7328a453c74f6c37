"""Pulling benchmark sets, verifying what was pulled, and the list of what is here."""

from __future__ import annotations

import json

import pytest
from pulling import SET5, archive_of, failed, last, left_in, member, picture, pulled, set5_members

from esc_cli.errors import SetupError, UsageError
from esc_cli.evaluation.dataset_catalog import FETCHABLE, address, find_fetchable
from esc_cli.evaluation.datasets import find_dataset
from esc_cli.tasks.data.sets import Source, listing, pull, verify


def test_a_set_arrives_where_evaluation_looks_for_it(root, source, server):
    event = pulled(root, source)
    assert event.fetched
    pairs = find_dataset("Set5", (root,), 4).pairs
    assert [pair.name for pair in pairs] == list(SET5)
    assert pairs[0].hr.read_bytes() == picture("baby")
    pictures = [f"Set5/HR/{name}.png" for name in SET5]
    assert left_in(root) == sorted(["Set5", "Set5/.esc-dataset.json", "Set5/HR", *pictures])
    assert server.paths == [server.path]


def test_an_intact_set_is_not_fetched_again(root, source, server):
    pulled(root, source)
    assert not pulled(root, source).fetched
    assert len(server.paths) == 1


def test_a_damaged_set_is_mended_and_other_files_stay(root, source):
    pulled(root, source)
    hr = root / "Set5" / "HR"
    (hr / "baby.png").write_bytes(b"changed")
    (hr / "bird.png").unlink()
    (hr / "mine.png").write_bytes(b"mine")
    assert pulled(root, source).fetched
    assert (hr / "baby.png").read_bytes() == picture("baby")
    (found,) = verify(("Set5",), (root,))
    assert (found.missing, found.changed, found.extra) == ((), (), ("mine.png",))
    assert not [path for path in root.iterdir() if path.name.endswith("esc-pull")]


def test_a_set_is_mended_only_from_the_archive_it_came_from(root, source, server):
    pulled(root, source)
    (root / "Set5" / "HR" / "bird.png").unlink()
    server.files[server.path] = archive_of(*set5_members(), member("Set5_HR/more.txt", b"more"))
    assert "sha256" in failed(root, source)
    assert not (root / "Set5" / "HR" / "bird.png").exists()


def test_a_folder_of_the_user_is_not_touched(root, source, server):
    (root / "Set5").mkdir(parents=True)
    (root / "Set5" / "baby.png").write_bytes(b"mine")
    assert "not pulled by esc" in failed(root, source)
    assert left_in(root) == ["Set5", "Set5/baby.png"]
    assert server.paths == []


def test_a_wrong_number_of_pictures_is_refused(root, source, server):
    server.files[server.path] = archive_of(*set5_members()[:4])
    assert "3 pictures, not 5" in failed(root, source)
    assert left_in(root) == []


def test_one_set_that_fails_does_not_stop_the_others(root, source):
    events = list(pull(("Set14", "Set5"), root, source))
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Pulling", "PullFailed", "Pulling", "Pulled"]
    assert "404" in str(events[1].error)


def test_the_published_md5_of_urban100_is_asked(root, source, server):
    path = server.path.replace("Set5", "Urban100")
    server.files[path] = server.files[server.path]
    event = last(pull(("Urban100",), root, source))
    assert "65d9d84a34b72c6f7ca1e26a12df1e4c" in str(event.error)
    assert left_in(root) == []


@pytest.mark.parametrize("name", ["Manga109", "manga109", "RealSR", "DRealSR", "RealLQ250"])
def test_sets_that_are_not_ours_to_fetch_are_only_pointed_to(root, source, server, name):
    with pytest.raises(UsageError, match="http"):
        list(pull((name, "Set5"), root, source))
    assert server.paths == []


def test_other_names_list_the_known_ones(root, source):
    with pytest.raises(UsageError, match="Set5, Set14, BSD100, Urban100"):
        list(pull(("Set6",), root, source))


def test_b100_is_bsd100():
    assert find_fetchable("b100").name == "BSD100"


def test_a_mirror_must_speak_https(root):
    with pytest.raises(UsageError, match="not https"):
        list(pull(("Set5",), root, Source("http://localhost/")))
    assert not root.exists()


def test_the_usual_addresses_are_those_of_the_authors():
    assert address(FETCHABLE[3]) == (
        "https://huggingface.co/datasets/eugenesiow/Urban100/resolve/main/data/Urban100_HR.tar.gz"
    )


def test_verify_says_what_is_missing_changed_and_extra(root, source):
    pulled(root, source)
    (found,) = verify((), (root,))
    assert found.intact
    assert found.pictures == 5
    hr = root / "Set5" / "HR"
    (hr / "baby.png").write_bytes(picture("baby")[:-1] + b"x")
    (hr / "bird.png").unlink()
    (hr / "mine.png").write_bytes(b"mine")
    (found,) = verify(("set5",), (root,))
    assert not found.intact
    assert found.missing == ("bird.png",)
    assert found.changed == ("baby.png",)
    assert found.extra == ("mine.png",)


def test_verify_needs_a_record(root):
    (root / "Set5" / "HR").mkdir(parents=True)
    for names in ((), ("Set5",)):
        with pytest.raises(UsageError, match="not pulled"):
            list(verify(names, (root,)))


@pytest.mark.parametrize("content", ["", "[]", '{"name": 1}', '{"name": "Set5"'])
def test_a_damaged_record_is_an_error(root, source, content):
    pulled(root, source)
    (root / "Set5" / ".esc-dataset.json").write_text(content)
    with pytest.raises(SetupError, match="is damaged"):
        list(verify((), (root,)))


def test_the_record_says_where_the_set_came_from(root, source, server):
    pulled(root, source)
    record = json.loads((root / "Set5" / ".esc-dataset.json").read_text())
    assert record["source"] == server.base.removesuffix("/mirror") + server.path
    assert len(record["archive_sha256"]) == 64
    assert sorted(record["pictures"]) == [f"{name}.png" for name in SET5]


def test_the_list_tells_what_is_here(root, source):
    pulled(root, source)
    (root / "manga109").mkdir()
    (root / "manga109" / "a.png").write_bytes(b"12345")
    sets = {one.name: one for one in listing((root,))}
    assert len(sets) == 9
    assert (sets["Set5"].folder, sets["Set5"].pulled) == (root / "Set5", True)
    assert sets["Set5"].size_bytes == sum(len(picture(name)) for name in SET5)
    assert (sets["Urban100"].folder, sets["Urban100"].pictures) == (None, 100)
    assert (sets["Manga109"].pulled, sets["Manga109"].pictures) == (False, 1)
