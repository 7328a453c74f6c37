"""`esc upscale -`: one picture through a pipe, at one end or at both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from esc_cli.errors import UsageError, WriteError
from esc_cli.files.atomic import write_atomic
from esc_cli.files.source import read_source
from esc_cli.media.confined import decode, probe
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output
from esc_cli.media.paths import is_missing
from esc_cli.media.provenance import with_provenance
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.memory_limit import bounds, check_memory, picture_bytes
from esc_cli.tasks.upscale.network_choice import decided
from esc_cli.tasks.upscale.options import STANDARD_STREAM, UpscaleOptions
from esc_cli.tasks.upscale.picture import PictureUpscaler
from esc_cli.tasks.upscale.provenance import provenance_of
from esc_cli.tasks.upscale.settings_key import settings_key


def upscale_one(
    options: UpscaleOptions, read: Callable[[], bytes], write: Callable[[bytes], None]
) -> None:
    """One picture from a file, or for `-` from `read`, to a file, or for `-` to `write`.

    Without an output it goes to `write`. Raises UsageError for several inputs and WriteError for
    an output that exists, both before anything is read, and the errors of `upscale_bytes`.
    """
    if len(options.inputs) != 1:
        raise UsageError("- stands for one picture, and there are several inputs")
    source, output = options.inputs[0], options.output
    target = None if output in {None, STANDARD_STREAM} else Path(str(output))
    if target is not None:
        if options.existing != "overwrite" and not is_missing(str(output)):
            raise WriteError("exists already", target, "choose another -o, or --existing overwrite")
        if options.format is None:
            options = replace(options, format=target.suffix[1:] or None)
    content = read() if source == STANDARD_STREAM else read_source(Path(source))
    result = upscale_bytes(content, options, Stop())
    if target is None:
        write(result)
    else:
        write_atomic(target, result)


def upscale_bytes(content: bytes, options: UpscaleOptions, stop: Stop) -> bytes:
    """The file that a picture file becomes, in its own format or `options.format`.

    Raises the errors of decoding, the engine and encoding, and StoppedError.
    """
    most = bounds(options)
    header = probe(content, most)
    models = Models(options.model, options.engine, options.supply, options.denoise)
    size = options.target.size(header.width, header.height, models.default_scale)
    factor = max(size[0] / header.width, size[1] / header.height)
    plan = plan_output(header, size, options.format, "")
    check_memory(picture_bytes(header, size, len(content)), options.max_memory)
    picture = decode(content, header, most)
    choice = decided(models.choose(factor), content, picture) if factor > 1 else None
    upscaler = None if choice is None else models.upscaler(choice)
    result = PictureUpscaler(upscaler, size, stop.check).run(picture)
    if options.provenance:
        digest, settings = hashlib.sha256(content).hexdigest(), settings_key(options, "pictures")
        step = provenance_of(choice, settings, digest, (header.width, size[0]))
        result = with_provenance(result, step, plan.format)
    return encode(result, plan, options.quality)
