"""Patches: aligned, complete in their rounds, the same however the batch is split."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from esc_cli.engine.imresize import degrade
from esc_cli.errors import ReadError, UsageError
from esc_cli.tasks.train.pictures import PictureFolder
from esc_cli.training.any_scale import PointSource
from esc_cli.training.cache import smaller
from esc_cli.training.distributed import Place, find_place
from esc_cli.training.patches import PatchSource, turned
from esc_cli.training.recipe import changes, load_recipe


def drained(filling):
    events = []
    while True:
        try:
            events.append(next(filling))
        except StopIteration as end:
            return end.value, events


@pytest.fixture
def hr(pictures, tmp_path):
    return drained(PictureFolder(pictures, tmp_path / "cache", 10**6).pictures())[0]


@pytest.fixture
def lr(pictures, hr, tmp_path):
    return drained(PictureFolder(pictures, tmp_path / "cache", 10**6).smaller(hr, 2))[0]


@pytest.fixture
def small(recipe):
    return load_recipe(str(recipe))


def test_lr_pictures_are_those_of_the_evaluation_protocol(hr, lr):
    for index in range(3):
        picture = torch.from_numpy(np.array(hr[index]))
        height, width = picture.shape[-2] // 2 * 2, picture.shape[-1] // 2 * 2
        wanted = degrade(picture[:, :height, :width], 2)
        assert torch.equal(torch.from_numpy(np.array(lr[index])), wanted)


def test_lr_and_hr_patches_are_of_the_same_place_in_the_same_turn(hr, lr, small):
    batch = PatchSource(lr, hr, small).batch(0, range(32))
    assert batch.lr.shape == (32, 3, 16, 16)
    assert batch.hr.shape == (32, 3, 32, 32)
    for low, high in zip(batch.lr, batch.hr, strict=True):
        off = (degrade(high, 2).float() - low.float())[:, 3:-3, 3:-3]  # its border sees more
        assert off.abs().max() == 0


def test_every_picture_comes_once_in_each_round(hr, lr, small):
    rounds = PatchSource(lr, hr, small).rounds
    drawn = [rounds.draw(number)[0] for number in range(30)]
    for start in range(0, 30, 3):
        assert sorted(drawn[start : start + 3]) == [0, 1, 2]
    assert len({tuple(drawn[start : start + 3]) for start in range(0, 30, 3)}) > 1


def test_two_processes_share_the_batch_of_one(hr, lr, small):
    source = PatchSource(lr, hr, small)
    whole = source.batch(5, range(2))
    halves = [source.batch(5, Place(rank, 2).share.of(2)) for rank in range(2)]
    assert torch.equal(torch.cat([half.hr for half in halves]), whole.hr)


def test_another_seed_gives_other_patches(hr, lr, recipe):
    sources = [
        PatchSource(lr, hr, load_recipe(str(recipe), changes({"seed": seed}, [])))
        for seed in (0, 0, 1)
    ]
    first, same, other = (source.batch(0, range(2)).hr for source in sources)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_the_eight_turns_differ():
    planes = np.arange(12, dtype=np.uint8).reshape(1, 2, 6).repeat(3, axis=1)
    assert len({turned(planes, turn).tobytes() for turn in range(8)}) == 8


def test_decoded_pictures_are_kept_until_a_file_changes(pictures, tmp_path):
    import shutil

    own = shutil.copytree(pictures, tmp_path / "own")
    folder = PictureFolder(own, tmp_path / "cache", 10**6)
    assert len(drained(folder.pictures())[1]) == 3
    again, events = drained(folder.pictures())
    assert (len(again), events) == (3, [])
    (own / "b.png").unlink()
    fewer, events = drained(folder.pictures())
    assert (len(fewer), len(events)) == (2, 2)
    assert [entry.name for entry in fewer.entries] == ["a.png", "deeper/c.png"]


def test_archives_and_videos_beside_the_pictures_are_passed_by(pictures, tmp_path):
    import shutil

    own = shutil.copytree(pictures, tmp_path / "own")
    (own / "book.cbz").write_bytes(b"PK\x05\x06" + bytes(18))
    (own / "deeper" / "photos.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (own / "clip.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(99))
    folder = PictureFolder(own, tmp_path / "cache", 10**6)
    assert len(drained(folder.pictures())[0]) == 3


def test_a_flat_file_that_was_cut_is_made_again(pictures, tmp_path):
    folder = PictureFolder(pictures, tmp_path / "cache", 10**6)
    whole = np.array(drained(folder.pictures())[0][2])
    flat = tmp_path / "cache" / "hr.bin"
    flat.write_bytes(flat.read_bytes()[:-10])
    assert np.array_equal(drained(folder.pictures())[0][2], whole)


def test_smaller_pictures_keep_the_order(hr):
    assert [name for name, _ in smaller(hr, 2)] == ["a.png", "b.png", "deeper/c.png"]


def test_query_points_have_the_colours_of_hr(hr):
    settings = ["data.patch=12", "points.count=40"]
    source = PointSource(hr, load_recipe("esc-lte", changes({}, settings)))
    batch = source.batch(0, range(12))
    assert batch.lr.shape == (12, 3, 12, 12)
    assert batch.points.shape == (12, 40, 2)
    assert batch.cell.shape == (12, 1, 2)
    sides = (2 / batch.cell[:, 0, 0]).round().long()
    assert 12 <= sides.min() < 24 < sides.max() <= 48
    for index, side in enumerate(sides.tolist()):
        places = ((batch.points[index] + 1) * side / 2 - 0.5).round().long()
        assert Counter(map(tuple, places.tolist())).most_common(1)[0][1] == 1
        enlarged = torch.nn.functional.interpolate(
            batch.lr[index : index + 1].float(), (side, side), mode="bilinear"
        )[0]
        near = enlarged[:, places[:, 0], places[:, 1]].T - batch.colours[index].float()
        assert near.abs().mean() < 15


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, Place()),
        ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, Place(3, 4, 1)),
        (
            {
                "SLURM_PROCID": "5",
                "SLURM_NTASKS": "8",
                "SLURM_LOCALID": "1",
                "MASTER_ADDR": "node1",
            },
            Place(5, 8, 1),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, Place()),
    ],
)
def test_the_place_comes_from_torchrun_or_srun(environment, place):
    assert find_place(environment) == place


@pytest.fixture
def lr_folder(pictures, tmp_path):
    """Partners of the pictures, one named as benchmark sets name them."""
    for name, partner in (("a", "a.png"), ("b", "bx2.png"), ("deeper/c", "deeper/c_x2.png")):
        with Image.open(pictures / f"{name}.png") as hr:
            size = (hr.width // 2, hr.height // 2)
            target = tmp_path / "LR" / partner
            target.parent.mkdir(parents=True, exist_ok=True)
            hr.resize(size, Image.Resampling.BOX).save(target)
    return tmp_path / "LR"


def test_paired_folders_give_their_own_lr(pictures, hr, lr_folder, tmp_path):
    folder = PictureFolder(pictures, tmp_path / "cache", 10**6)
    lr, events = drained(folder.paired(hr, lr_folder, 2))
    assert len(events) == 3
    with Image.open(lr_folder / "bx2.png") as image:
        assert np.array_equal(lr[1], np.asarray(image).transpose(2, 0, 1))
    assert drained(folder.paired(hr, lr_folder, 2))[1] == []


def test_pictures_without_a_partner_are_named(pictures, hr, lr_folder, tmp_path):
    (lr_folder / "bx2.png").unlink()
    folder = PictureFolder(pictures, tmp_path / "cache", 10**6)
    with pytest.raises(UsageError, match=r"LR: 1 picture without LR here: b\.png"):
        drained(folder.paired(hr, lr_folder, 2))


def test_a_partner_of_another_size_is_named(pictures, hr, lr_folder, tmp_path):
    Image.new("RGB", (10, 12)).save(lr_folder / "a.png")
    folder = PictureFolder(pictures, tmp_path / "cache", 10**6)
    with pytest.raises(ReadError, match=r"a\.png: is 10 x 12, and its HR 47 x 53, at scale 2"):
        drained(folder.paired(hr, lr_folder, 2))
