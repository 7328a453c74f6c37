"""`esc upscale`: parse, call the task, render its events."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from esc_cli.cli.parsing import (
    DEVICE,
    MAX_PIXELS,
    MODEL,
    NETWORK,
    OFFLINE,
    SCALE,
    SELF_ENSEMBLE,
    TILE,
    Backup,
    Cluster,
    Deadline,
    DryRun,
    Existing,
    FailFast,
    HtmlPage,
    InPlace,
    KeepTimes,
    MaxMemory,
    MaxMinutes,
    Name,
    Nice,
    Overlap,
    Precision,
    Provenance,
    Quality,
    Quiet,
    Share,
    ShareVideos,
    Staging,
    StagingLimit,
)
from esc_cli.tasks import defaults

EPILOG = (
    "Exit codes: 0 all done or skipped; 1 at least one item failed; 2 wrong usage or no input; "
    "3 the environment (weights, device, disk, a store); 75 --deadline or --max-minutes reached; "
    "130 and 143 after SIGINT and SIGTERM."
)
_SIZE, _RESULT, _BATCH, _VIDEO = "Size", "Result", "Batch", "Videos"


def upscale_options(  # noqa: PLR0913, PLR0917 - Typer reads one parameter per option
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, videos, archives, folders, addresses; - is stdin.", metavar="INPUT..."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Folder, address, or file for one input; - is stdout."),
    ] = None,
    model: Annotated[
        str,
        MODEL(
            text="auto (photo or clean, for each input), a name (see esc weights list), or a file."
        ),
    ] = "auto",
    denoise: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=NETWORK,
            help="Blend the network for photographs in: 0 (clean) to 1 (photo).",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        SCALE(_SIZE, "Any factor, also 2.5. Default: 4, or the model file's."),
    ] = None,
    width: Annotated[
        int | None, typer.Option(rich_help_panel=_SIZE, help="Width of the result, in pixels.")
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(rich_help_panel=_SIZE, help="Height; with --width, the box to fit into."),
    ] = None,
    longest_side: Annotated[
        int | None, typer.Option(rich_help_panel=_SIZE, help="Longest side of the result.")
    ] = None,
    shortest_side: Annotated[
        int | None, typer.Option(rich_help_panel=_SIZE, help="Shortest side of the result.")
    ] = None,
    megapixels: Annotated[
        float | None, typer.Option(rich_help_panel=_SIZE, help="Millions of pixels of the result.")
    ] = None,
    min_side: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=_SIZE,
            help="Leave inputs alone whose shorter side has so many pixels.",
        ),
    ] = None,
    large: Annotated[
        Literal["skip", "copy"],
        typer.Option(rich_help_panel=_SIZE, help="What --min-side does with those."),
    ] = "skip",
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            rich_help_panel=_RESULT,
            help="png, jpg, webp, tiff, bmp, gif, avif, heic, jxl, exr; mkv, mp4, mov, webm. "
            "Default: the input's, if it fits.",
        ),
    ] = None,
    quality: Quality = None,
    name: Name = None,
    include: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel=_BATCH, help="Only what matches, in folders: '*.jpg'."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel=_BATCH, help="Not what matches, in folders: 'raw/*'."),
    ] = None,
    recursive: Annotated[
        bool, typer.Option(rich_help_panel=_BATCH, help="Also the folders inside folders.")
    ] = True,
    existing: Existing = "skip",
    checksum: Annotated[
        bool,
        typer.Option("--checksum", rich_help_panel=_BATCH, help="Compare contents, not times."),
    ] = False,
    include_outputs: Annotated[
        bool,
        typer.Option(
            "--include-outputs", rich_help_panel=_BATCH, help="Upscale earlier results once more."
        ),
    ] = False,
    provenance: Provenance = False,
    keep_times: KeepTimes = False,
    in_place: InPlace = False,
    backup: Backup = None,
    fail_fast: FailFast = False,
    shard: Share = None,
    shard_videos: ShareVideos = False,
    cluster: Cluster = None,
    dry_run: DryRun = False,
    report: Annotated[
        Path | None,
        typer.Option(rich_help_panel=_BATCH, help="Append one JSON object per item to this file."),
    ] = None,
    html: HtmlPage = None,
    quiet: Quiet = False,
    max_pixels: Annotated[
        int, MAX_PIXELS(_BATCH, "Refuse larger inputs, by their header.")
    ] = defaults.MAX_PIXELS,
    max_memory: MaxMemory = None,
    nice: Nice = 0,
    staging: Staging = None,
    staging_limit: StagingLimit = defaults.STAGING_LIMIT_TEXT,
    device: Annotated[str, DEVICE(NETWORK)] = "auto",
    devices: Annotated[
        str | None,
        typer.Option(rich_help_panel=NETWORK, help="Several at once: cuda:0,cuda:1."),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(
            rich_help_panel=NETWORK,
            help="auto: fp16 on CUDA with tensor cores. fast: also bf16 on CPUs that have it.",
        ),
    ] = "auto",
    tile: Annotated[str, TILE(NETWORK)] = "auto",
    overlap: Overlap = defaults.OVERLAP,
    self_ensemble: Annotated[bool, SELF_ENSEMBLE(NETWORK)] = False,
    offline: Annotated[bool, OFFLINE(NETWORK)] = False,
    deadline: Deadline = None,
    max_minutes: MaxMinutes = None,
    codec: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_VIDEO,
            help="h264 (default), hevc, av1, vp9, ffv1, prores, png, qtrle; GPUs: h264_nvenc, "
            "hevc_qsv, av1_amf ... Transparent: vp9, prores or ffv1, by the container.",
        ),
    ] = None,
    crf: Annotated[
        int | None,
        typer.Option(
            min=0, max=63, rich_help_panel=_VIDEO, help="Quality, lower is better. h264: 17."
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(rich_help_panel=_VIDEO, help="Of the encoder: slow, 6, p5 ...")
    ] = None,
    pix_fmt: Annotated[
        str | None,
        typer.Option(rich_help_panel=_VIDEO, help="E.g. yuv420p10le. Default: like the input."),
    ] = None,
    start: Annotated[
        float | None, typer.Option(rich_help_panel=_VIDEO, help="Begin after so many seconds.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(rich_help_panel=_VIDEO, help="Do so many seconds.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_VIDEO, help="Do so many frames.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify/--no-verify", rich_help_panel=_VIDEO, help="Check the result by its source."
        ),
    ] = True,
    allow_truncated: Annotated[
        bool,
        typer.Option(
            "--allow-truncated",
            rich_help_panel=_VIDEO,
            help="Accept a picture or video that is cut short or damaged.",
        ),
    ] = False,
    segment_frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=_VIDEO,
            help="Frames that are safe at a time. Default: 24 to 240, by their size.",
        ),
    ] = None,
    deinterlace: Annotated[
        Literal["auto", "off", "bwdif", "telecine"],
        typer.Option(
            rich_help_panel=_VIDEO,
            help="auto: measure, and do what is needed. bwdif: every frame. telecine: film of 24 "
            "frames per second from 30. off: leave the fields woven.",
        ),
    ] = "auto",
    deinterlace_rate: Annotated[
        Literal["frame", "field"],
        typer.Option(rich_help_panel=_VIDEO, help="field: a frame from each field, 50 or 60."),
    ] = "frame",
    streams: Annotated[
        Literal["keep", "fit", "drop"],
        typer.Option(
            rich_help_panel=_VIDEO,
            help="Streams that the container does not hold. fit: convert sound and text, leave out "
            "the rest, with a note. drop: leave out. keep: refuse the video.",
        ),
    ] = "fit",
    hwaccel: Annotated[
        str | None,
        typer.Option(rich_help_panel=_VIDEO, help="Decode on a GPU: cuda. Default: the processor."),
    ] = None,
    discard_unfinished: Annotated[
        bool,
        typer.Option(
            "--discard-unfinished",
            rich_help_panel=_VIDEO,
            help="Remove finished segments that runs with other settings left.",
        ),
    ] = False,
    input_format: Annotated[
        str | None,
        typer.Option(rich_help_panel=_VIDEO, help="y4m: stdin is a video, and so is stdout."),
    ] = None,
) -> Any:
    """Upscale pictures, videos, and folders of them.

    A folder photos/ becomes photos_x4/ beside it, a file name.jpg becomes name_x4.jpg. A second
    run does only what is new or has changed.
    """
    # Only now, so that `esc --help` does not wait for numpy and Pillow.
    import os
    from datetime import datetime

    from esc_cli.cli.priority import give_way

    give_way(nice)  # before there are threads, which inherit it
    from esc_cli.cli import upscale_run
    from esc_cli.cli.parsing import byte_count, device_list, seconds_left
    from esc_cli.tasks.models import engine_options
    from esc_cli.tasks.upscale.options import Selection, Target, UpscaleOptions, VideoOptions
    from esc_cli.tasks.upscale.shard import parse_shard

    several = device_list(device, devices)
    first = several[0] if several else device
    options = UpscaleOptions(
        inputs=tuple(inputs),
        output=output,
        model=model,
        denoise=denoise,
        target=Target(scale, width, height, longest_side, shortest_side, megapixels),
        engine=engine_options(first, precision, tile, overlap, self_ensemble=self_ensemble),
        format=format_,
        quality=quality,
        name=name,
        selection=Selection(tuple(include or ()), tuple(exclude or ()), recursive),
        min_side=min_side,
        large=large,
        shard=None if shard is None else parse_shard(shard, os.environ),
        shard_videos=shard_videos,
        cluster=cluster,
        include_outputs=include_outputs,
        existing=existing,
        checksum=checksum,
        provenance=provenance,
        keep_times=keep_times,
        in_place=in_place,
        backup=backup,
        fail_fast=fail_fast,
        max_pixels=max_pixels,
        max_memory=None if max_memory is None else byte_count(max_memory, "--max-memory"),
        staging=None if staging is None else str(staging),
        staging_limit=byte_count(staging_limit, "--staging-limit"),
        dry_run=dry_run,
        devices=several,
        video=VideoOptions(
            codec,
            crf,
            preset,
            pix_fmt,
            start,
            duration,
            frames,
            verify,
            allow_truncated,
            segment_frames,
            deinterlace,
            deinterlace_rate,
            streams,
            hwaccel,
            discard_unfinished,
        ),
    )
    seconds = seconds_left(deadline, max_minutes, datetime.now())
    return options, upscale_run.Run(report, quiet, offline, seconds, input_format, html)


@wraps(upscale_options)
def upscale_command(**values: Any) -> None:
    """As its options say."""
    from esc_cli.cli import upscale_run

    upscale_run.run(*upscale_options(**values))
