"""What a user can ask of `esc upscale`, as values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply
from esc_cli.engine.options import EngineOptions, no_effect
from esc_cli.errors import UsageError
from esc_cli.files.remote.address import any_address
from esc_cli.media.paths import Selection, Source
from esc_cli.media.video.codecs import container_of
from esc_cli.media.video_suffixes import VIDEOS
from esc_cli.tasks.defaults import MAX_PIXELS, STAGING_LIMIT
from esc_cli.tasks.models import AUTO
from esc_cli.tasks.upscale.shard import Shard

__all__ = [
    "ONLY",
    "STANDARD_STREAM",
    "Existing",
    "Selection",
    "Target",
    "UpscaleOptions",
    "VideoOptions",
]

Existing = Literal["skip", "overwrite", "error"]
Large = Literal["skip", "copy"]
Deinterlace = Literal["auto", "off", "bwdif", "telecine"]
DeinterlaceRate = Literal["frame", "field"]
Streams = Literal["keep", "fit", "drop"]
ONLY = "only"
"""The metadata of a field that concerns results of one kind: "pictures" or "videos"."""
STANDARD_STREAM = "-"


@dataclass(frozen=True)
class Target:
    """How large the result is to be: a scale, or a box to fit, in pixels; nothing for default."""

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    longest_side: int | None = None
    shortest_side: int | None = None
    megapixels: float | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for values below 1, and for more than one way at once."""
        alone = (self.scale, self.longest_side, self.shortest_side, self.megapixels)
        ways = [*(value is not None for value in alone), self.has_box]
        if sum(ways) > 1:
            what = "--scale, --longest-side, --shortest-side, --megapixels, and --width or --height"
            raise UsageError(f"{what} exclude each other")
        for value in (*alone, self.width, self.height):
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"the size of the result cannot be {value:g}")

    @property
    def has_box(self) -> bool:
        """Whether the result fits a box."""
        return self.width is not None or self.height is not None

    @property
    def has_size(self) -> bool:
        """Whether the result's size is asked for, so that the factor differs between inputs."""
        sizes = (self.longest_side, self.shortest_side, self.megapixels)
        return self.has_box or any(size is not None for size in sizes)

    def label(self, default_scale: float) -> str:
        """A short name for file names: x4, x2.5, w1920, w1920h1080, l3840, s1080, 12mp."""
        if self.longest_side is not None:
            return f"l{self.longest_side}"
        if self.shortest_side is not None:
            return f"s{self.shortest_side}"
        if self.megapixels is not None:
            return f"{self.megapixels:g}mp"
        if self.has_box:
            sides = (("w", self.width), ("h", self.height))
            return "".join(f"{letter}{side}" for letter, side in sides if side is not None)
        return f"x{default_scale if self.scale is None else self.scale:g}"

    def size(self, width: int, height: int, default_scale: float) -> tuple[int, int]:
        """The result's (width, height) for a picture's; the aspect ratio is kept."""
        factor = self._factor(width, height, default_scale)
        return max(1, round(width * factor)), max(1, round(height * factor))

    def _factor(self, width: int, height: int, default_scale: float) -> float:
        if self.longest_side is not None:
            return self.longest_side / max(width, height)
        if self.shortest_side is not None:
            return self.shortest_side / min(width, height)
        if self.megapixels is not None:
            return math.sqrt(self.megapixels * 1e6 / (width * height))
        if self.has_box:
            boxes = ((self.width, width), (self.height, height))
            return min(box / side for box, side in boxes if box is not None)
        return default_scale if self.scale is None else self.scale


@dataclass(frozen=True)
class VideoOptions:
    """What concerns videos only.

    codec: a name as in `media.video.codecs.CODECS`. crf: its quality, lower is better. start,
    duration: seconds. frames: at most so many. verify: compare the written file with its source.
    allow_truncated: accept a file that is cut short or damaged, also a picture. segment_frames:
    frames that are finished at a time, None to decide by their size. deinterlace: what is done
    about interlaced frames. deinterlace_rate: whether a frame or each of its fields becomes one.
    streams: what becomes of those that the container does not hold.
    hwaccel: the device that decodes, such as "cuda"; None for the processor.
    discard_unfinished: remove what earlier runs with other settings left unfinished.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    start: float | None = None
    duration: float | None = None
    frames: int | None = None
    verify: bool = field(default=True, metadata=no_effect("looks at the result"))
    allow_truncated: bool = field(
        default=False, metadata=no_effect("without it there is no result")
    )
    segment_frames: int | None = None
    deinterlace: Deinterlace = "auto"
    deinterlace_rate: DeinterlaceRate = "frame"
    streams: Streams = "fit"
    hwaccel: str | None = field(
        default=None, metadata=no_effect("each decoder gives the same frames, within a level")
    )
    discard_unfinished: bool = field(
        default=False, metadata=no_effect("says what becomes of segments of other settings")
    )

    def __post_init__(self) -> None:
        """Raise UsageError for values that mean nothing."""
        if self.start is not None and not 0 <= self.start < float("inf"):
            raise UsageError("--start is a number of seconds, 0 or more")
        if self.duration is not None and not 0 < self.duration < float("inf"):
            raise UsageError("--duration is a number of seconds above 0")
        _check_range("crf", self.crf, 0, 63)
        _check_range("frames", self.frames, 1)
        _check_range("segment-frames", self.segment_frames, 1)


@dataclass(frozen=True)
class UpscaleOptions:
    """Everything that `esc upscale` takes; see `esc upscale --help` for each."""

    inputs: tuple[str, ...] = field(metadata=no_effect("each result has a record of its own"))
    output: str | None = field(
        default=None, metadata=no_effect("records know their results by name")
    )
    model: str | None = field(
        default=AUTO, metadata=no_effect("records hold the digest of the weights")
    )
    denoise: float | None = None  # share of the photo network in a blend; None: no blend
    target: Target = field(default_factory=Target)
    engine: EngineOptions = field(default_factory=EngineOptions)
    format: str | None = field(default=None, metadata={ONLY: "pictures"})  # of videos: container
    quality: int | None = field(default=None, metadata={ONLY: "pictures"})
    provenance: bool = False  # each result says how it came about
    name: str | None = field(default=None, metadata=no_effect("records know their results by name"))
    selection: Selection = field(
        default_factory=Selection, metadata=no_effect("says which inputs there are")
    )
    shard: Shard | None = field(default=None, metadata=no_effect("says who does which inputs"))
    # long videos by segments, each share its own
    shard_videos: bool = field(default=False, metadata=no_effect("says who does which segments"))
    # the address of a Ray cluster, or auto
    cluster: str | None = field(default=None, metadata=no_effect("says where the work is done"))
    # of the shorter side, from which on an input is left alone
    min_side: int | None = field(default=None, metadata=no_effect("says which inputs are enlarged"))
    large: Large = field(default="skip", metadata=no_effect("copies have records of their own"))
    include_outputs: bool = field(default=False, metadata=no_effect("says which inputs there are"))
    existing: Existing = field(
        default="skip", metadata=no_effect("says what happens to results that stand")
    )
    checksum: bool = field(default=False, metadata=no_effect("says how records are compared"))
    keep_times: bool = field(default=False, metadata=no_effect("of the file, not of its content"))
    fail_fast: bool = field(default=False, metadata=no_effect("says when a batch ends"))
    max_pixels: int = field(default=MAX_PIXELS, metadata=no_effect("says what is refused"))
    # bytes that one input may take; None: half of what the machine has
    max_memory: int | None = field(default=None, metadata=no_effect("says what is refused"))
    # where files of addresses lie meanwhile, and how many bytes of them
    staging: str | None = field(default=None, metadata=no_effect("says where inputs lie meanwhile"))
    staging_limit: int = field(
        default=STAGING_LIMIT, metadata=no_effect("says how many inputs lie here at once")
    )
    dry_run: bool = field(default=False, metadata=no_effect("makes no results"))
    supply: Supply = field(
        default=SILENT_SUPPLY, metadata=no_effect("says how weights are fetched")
    )
    # a step each, instead of `engine.device`
    devices: tuple[str, ...] = field(
        default=(), metadata=no_effect("each device gives the same result")
    )
    # joined in one pass, see `batching`; None: by the device
    batch_pixels: int | None = field(
        default=None, metadata=no_effect("a pass of several gives the same")
    )
    # each result takes the place of its input, whose original goes to `backup`
    in_place: bool = field(default=False, metadata=no_effect("records know their results by name"))
    backup: str | None = field(default=None, metadata=no_effect("says where originals go"))
    video: VideoOptions = field(default_factory=VideoOptions, metadata={ONLY: "videos"})

    def __post_init__(self) -> None:
        """Raise UsageError for values that mean nothing, whatever the inputs hold."""
        if isinstance(self.inputs, str):
            raise UsageError("inputs are a tuple of paths", advice=f"({self.inputs!r},)")
        if not self.inputs:
            raise UsageError("no inputs")
        if self.existing not in get_args(Existing):
            known = ", ".join(get_args(Existing))
            raise UsageError(f"--existing {self.existing!r} is not known", advice=known)
        _check_range("min-side", self.min_side, 1)
        if self.large not in get_args(Large):
            raise UsageError(f"--large {self.large!r} is not known", advice="skip or copy")
        if self.large == "copy" and self.min_side is None:
            raise UsageError("--large copy needs --min-side", advice="the side that is enough")
        _check_range("quality", self.quality, 1, 100)
        _check_range("max-pixels", self.max_pixels, 1)
        _check_range("max-memory", self.max_memory, 1)
        _check_range("batch-pixels", self.batch_pixels, 0)
        _check_range("staging-limit", self.staging_limit, 1)
        if self.denoise is not None and not 0 <= self.denoise <= 1:
            raise UsageError(f"--denoise is a share from 0 to 1, and not {self.denoise:g}")
        self._check_devices()
        self._check_in_place()
        self._check_shares()

    def _check_in_place(self) -> None:
        if self.in_place != bool(self.backup):
            raise UsageError("--in-place and --backup go together", advice="give both")
        video = self.video
        part = (video.start, video.duration, video.frames)
        refused = {
            "-o": self.output is not None,
            "--name": self.name is not None,
            "--format": self.format is not None,
            "--existing": self.existing != "skip",
            "--include-outputs": self.include_outputs,
            "--large copy": self.large == "copy",
            "--cluster": self.cluster is not None,
            "--shard-videos": self.shard_videos,
            "--start, --duration and --frames": any(one is not None for one in part),
            "--no-verify": not video.verify,
            "stdin": STANDARD_STREAM in self.inputs,
        }
        given = next((name for name, is_given in refused.items() if is_given), "")
        if self.in_place and given:
            raise UsageError(f"--in-place and {given} exclude each other")

    def _check_shares(self) -> None:
        if self.shard_videos and self.shard is None and self.cluster is None:
            advice = "such as --shard 3/8"
            raise UsageError("--shard-videos needs --shard or --cluster", advice=advice)
        if self.shard_videos and self.shard is not None and self.cluster is not None:
            what = "--shard-videos takes --shard or --cluster, not both"
            raise UsageError(what, advice="a cluster shares videos by itself")
        if self.shard_videos and self.existing == "overwrite":
            what = "--shard-videos and --existing overwrite exclude each other"
            raise UsageError(what, advice="remove the results that are to be made anew")
        if self.shard_videos and self.video.discard_unfinished:
            what = "--shard-videos and --discard-unfinished exclude each other"
            raise UsageError(what, advice="run once without shares to discard")

    def _check_devices(self) -> None:
        if not all(self.devices) or "auto" in self.devices:
            what = f"--devices {','.join(self.devices)!r} is no list of devices"
            raise UsageError(what, advice="cuda:0,cuda:1")
        if self.cluster and (self.devices or self.engine.device not in {"auto", "cpu", "cuda"}):
            raise UsageError("--cluster takes --device auto, cpu or cuda, and no --devices")
        if self.devices and self.engine.device not in ("auto", self.devices[0]):
            raise UsageError("--device and --devices exclude each other")

    @property
    def has_addresses(self) -> bool:
        """Whether an input, or where results go, is an address."""
        return any_address((*self.inputs, self.output))

    @property
    def engines(self) -> tuple[EngineOptions, ...]:
        """How to run networks on each device."""
        each = tuple(replace(self.engine, device=device) for device in self.devices)
        return each or (self.engine,)

    def owns(self, source: Source) -> bool:
        """Whether an input is of the share that is asked for."""
        return self.shard is None or self.shard.holds(source)

    def looks_at(self, source: Source) -> bool:
        """The same, or whether it may be a video that all shares do together."""
        return self.owns(source) or (self.shard_videos and source.path.suffix.lower() in VIDEOS)

    @property
    def container(self) -> str | None:
        """The container of videos that `format` names, by FFmpeg's name of its muxer."""
        return None if self.format is None else container_of(f".{self.format}")

    @property
    def picture_format(self) -> str | None:
        """`format` as far as it concerns pictures: those of videos keep their own."""
        return None if self.container else self.format


def _check_range(option: str, value: int | None, least: int, most: int | None = None) -> None:
    """Raise UsageError for a value outside; None is none."""
    if value is not None and not (least <= value and (most is None or value <= most)):
        known = f"{least} or more" if most is None else f"{least} to {most}"
        raise UsageError(f"--{option} cannot be {value}", advice=known)
